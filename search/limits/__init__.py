"""How often strangers may do what costs something: counted in the database, for all processes, and told by a 429."""

from search.limits.clients import address_of, who_asks
from search.limits.counting import Counted, TooMany, count

__all__ = ["Counted", "TooMany", "address_of", "count", "who_asks"]
