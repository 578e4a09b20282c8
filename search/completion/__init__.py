"""What is suggested to who searches: while they type, for a word that is misspelt, and where nothing is found."""

from search.completion.relaxation import Relaxation, relaxations, ways_to_matches
from search.completion.spelling import did_you_mean
from search.completion.suggestions import Suggestion, suggest

__all__ = ["Relaxation", "Suggestion", "did_you_mean", "relaxations", "suggest", "ways_to_matches"]
