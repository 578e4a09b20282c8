"""Example searches: texts that were measured to have strong matches in this collection, each with a picture.

May import the rooms above it in docs/architecture.md. Verbs: `shown_things`, `example_queries`; `measuring.measure`.
"""

from search.example_searches.showing import example_queries, shown_things

__all__ = ["example_queries", "shown_things"]
