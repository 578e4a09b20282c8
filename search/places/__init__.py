"""Where on earth something is: countries, regions and towns of coordinates, from tables of installed packages.

Nothing is asked of the network, and nothing read before it is needed. See docs/metadata.md, "Places".
"""

EARTH = 6371.0088
"""Kilometres: the mean radius."""
