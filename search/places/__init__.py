"""Geography: country, region and town of coordinates, and a small map, from data in installed packages.

Nothing is fetched over the network, and data is loaded at first use. Imports `text`. See docs/metadata.md, "Places".
"""

EARTH = 6371.0088
"""Mean radius in kilometres."""
