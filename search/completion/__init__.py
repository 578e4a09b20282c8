"""Completion: suggestions while typing, spelling corrections, and query relaxation where nothing is found.

May import the rooms above it in docs/architecture.md. Verbs: `suggest`, `did_you_mean`, `relaxations`,
`ways_to_matches`.
"""

from search.completion.relaxation import relaxations, ways_to_matches
from search.completion.spelling import did_you_mean
from search.completion.suggestions import suggest

__all__ = ["did_you_mean", "relaxations", "suggest", "ways_to_matches"]
