"""How many pictures each filter would leave: counted once, folded for every filter."""

from search.facets.facets import Choice, Facet, chosen_of, facets_of, place_label

__all__ = ["Choice", "Facet", "chosen_of", "facets_of", "place_label"]
