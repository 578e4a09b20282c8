"""The map: pictures that are alike lie near to each other, in groups that have names."""

from search.mapping.building import HOW_TO_INSTALL, Built, NotEnough, NotInstalled, build, can_build, has_map, is_due
from search.mapping.new_pictures import keep_placing, place_new

__all__ = [
    "HOW_TO_INSTALL",
    "Built",
    "NotEnough",
    "NotInstalled",
    "build",
    "can_build",
    "has_map",
    "is_due",
    "keep_placing",
    "place_new",
]
