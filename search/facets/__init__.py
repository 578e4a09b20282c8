"""Facets: how many pictures each filter would leave.

May import the rooms above it in docs/architecture.md. Verbs: `Counts` (counts once for all filters), `facets_of` (what
pages offer), `by_month`.
"""

from search.facets.facets import Choice, Facet, chosen_of, facets_of, place_label

__all__ = ["Choice", "Facet", "chosen_of", "facets_of", "place_label"]
