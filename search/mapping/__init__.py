"""The map: pictures that are alike lie near to each other, in groups that have names."""

from search.mapping.building import Built, NotEnough, NotInstalled, build, is_due
from search.mapping.placing import keep_placing, place_new

__all__ = ["Built", "NotEnough", "NotInstalled", "build", "is_due", "keep_placing", "place_new"]
