"""Facets: how many pictures each filter would leave.

May import the rooms above it in docs/architecture.md. Verbs: `facets_of`, `chosen_of`; `filter_counts.Counts` counts
once for all; `months.by_month`.
"""

from search.facets.facets import Choice, Facet, chosen_of, facets_of, place_label

__all__ = ["Choice", "Facet", "chosen_of", "facets_of", "place_label"]
