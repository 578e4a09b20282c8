"""Rate limits, counted in the database for all processes; exceeding one is a 429.

May import the rooms above it in docs/architecture.md. Verbs: `count`, `address_of`;
`searches.count_search`, `sweeping.sweep`.
"""

from search.limits.clients import address_of
from search.limits.counting import Counted, TooMany, count

__all__ = ["Counted", "TooMany", "address_of", "count"]
