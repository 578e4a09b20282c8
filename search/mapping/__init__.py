"""The map: a 2D layout (t-SNE) of the pictures by similarity, with named clusters.

May import the rooms above it in docs/architecture.md. Verbs: `build`, `place_new`; `points.points_of`
for browsers.
"""

from search.mapping.map_building import HOW_TO_INSTALL, NotEnough, NotInstalled, build, can_build, has_map, is_due
from search.mapping.new_pictures import place_new

__all__ = [
    "HOW_TO_INSTALL",
    "NotEnough",
    "NotInstalled",
    "build",
    "can_build",
    "has_map",
    "is_due",
    "place_new",
]
