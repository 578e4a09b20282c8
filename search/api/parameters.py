"""The search parameters in the schema. Only SearchQuery parses them, as for the pages."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, TypeAlias

from django.utils.translation import gettext_noop

from search.embedding import MAX_TEXT_LENGTH
from search.imaging import COLOUR_NAMES
from search.models import Image
from search.query import Minimum, Mode, Sort
from search.query.filter_parameters import MOST_GROUP
from search.query.filters import STARS, TOGETHER, Certainty, Hidden
from search.query.nearby import FARTHEST
from search.query.query_parts import LEAST_WEIGHT, MOST_WEIGHT

Json: TypeAlias = dict[str, Any]

_UUID: Json = {"type": "string", "format": "uuid"}
_TEXT: Json = {"type": "string"}
_WEIGHT: Json = {"type": "number", "minimum": LEAST_WEIGHT, "maximum": MOST_WEIGHT}
_DAY: Json = {"type": "string", "format": "date"}


def one(name: str, description: str, schema: Json) -> Json:
    return {"in": "query", "name": name, "required": False, "description": description, "schema": schema}


def many(name: str, description: str, items: Json) -> Json:
    """A repeated parameter: `name=a&name=b`."""
    return one(name, description, {"type": "array", "items": items}) | {"style": "form", "explode": True}


def any_of(name: str, description: str, values: Iterable[str]) -> Json:
    return many(name, description, {"type": "string", "enum": list(values)})


def choice(name: str, description: str, values: type[StrEnum]) -> Json:
    """A parameter with one of `values`, the first as default."""
    known = [str(value) for value in values]
    return one(name, description, {"type": "string", "enum": known, "default": known[0]})


def weights(name: str) -> Json:
    return many(
        f"{name}_weight",
        gettext_noop("The weight of each of them, in the same order; 1 by default."),
        _WEIGHT,
    )


PARTS = [
    one(
        "q",
        gettext_noop(
            'What to find, as text. `-word` and `-"two words"` mean less of it; a `"quoted"` phrase must '
            "be in the title, description or tags. Filters can be typed too, such as "
            "`taken:2023-07..2023-09`, `camera:X100V`, `-tag:work`: see the page `/search/help/`."
        ),
        {"type": "string", "maxLength": MAX_TEXT_LENGTH},
    ),
    one("q_weight", gettext_noop("The weight of the text."), {**_WEIGHT, "default": 1}),
    many(
        "picture",
        gettext_noop("Tokens of pictures sent to `POST /api/search/picture`: more like these."),
        _UUID,
    ),
    weights("picture"),
    many("like", gettext_noop("Ids of images: more like these."), _UUID),
    weights("like"),
    many("not", gettext_noop("Text: less of this."), _TEXT),
    weights("not"),
    many("unlike", gettext_noop("Ids of images: less like these."), _UUID),
    weights("unlike"),
]

FILTERS = [
    many("tag", gettext_noop("The image has all of these tags."), _TEXT),
    any_of("format", gettext_noop("One of these file formats."), Image.Format.values),
    any_of("orientation", gettext_noop("One of these orientations."), Image.Orientation.values),
    any_of("size", gettext_noop("One of these sizes: up to 1, 4 or 12 megapixels, or more."), Image.Size.values),
    any_of(
        "colour",
        gettext_noop("The image contains one of these colours (`red`), or is mostly of it (`mostly-red`)."),
        COLOUR_NAMES,
    ),
    one(
        "colours",
        gettext_noop("The image contains all of these colours, not just one."),
        {"type": "string", "enum": [TOGETHER]},
    ),
    many("licence", gettext_noop("One of these licences."), _TEXT),
    many("album", gettext_noop("In one of these albums, by id. Only albums that you may see."), _TEXT),
    many("camera", gettext_noop("Taken with one of these cameras."), _TEXT),
    many("lens", gettext_noop("Taken with one of these lenses."), _TEXT),
    any_of("dated", gettext_noop("How precisely the date taken is known: one of these."), Certainty),
    many(
        "country",
        gettext_noop("Taken in one of these countries, by code or name. Only for users who may see locations."),
        _TEXT,
    ),
    many("region", gettext_noop("Taken in one of these regions, by the names in the facets."), _TEXT),
    many("town", gettext_noop("Taken in or near one of these towns, by the names in the facets."), _TEXT),
    one("near", gettext_noop("The id of an image: taken near the location of that image."), _UUID),
    one(
        "within",
        gettext_noop("The distance in kilometres; 10 by default."),
        {"type": "integer", "minimum": 1, "maximum": FARTHEST},
    ),
    one(
        "group",
        gettext_noop("The number of a group of the map. Only for users who may see the map."),
        {"type": "integer", "minimum": 0, "maximum": MOST_GROUP},
    ),
    one("uploader", gettext_noop("The name of the user who added the image."), _TEXT),
    one("since", gettext_noop("Added on this day or later."), _DAY),
    one("until", gettext_noop("Added on this day or earlier."), _DAY),
    one("taken_since", gettext_noop("Taken on this day or later, in local time."), _DAY),
    one("taken_until", gettext_noop("Taken on this day or earlier, in local time."), _DAY),
    one("rating", gettext_noop("This many stars or more."), {"type": "string", "enum": list(STARS)}),
    one("described", gettext_noop("Whether the image has a description."), {"type": "string", "enum": ["yes", "no"]}),
    one(
        "hidden",
        gettext_noop("Whether hidden images are excluded, included, or the only results. Only for curators."),
        {"type": "string", "enum": list(Hidden), "default": "no"},
    ),
]

ORDER = [
    choice(
        "mode",
        gettext_noop("Whether to search by content, by the text of titles, descriptions and tags, or by both."),
        Mode,
    ),
    choice("min", gettext_noop("Leave out weaker matches than this."), Minimum),
    choice(
        "sort",
        gettext_noop(
            "The order. `newest` and `oldest` sort by the date added, `taken` and `taken-oldest` by the "
            "date taken. They sort the strong and related results, or the nearest 100 if thresholds have "
            "not been measured yet; the others follow. Without a query they sort all images. `nearest` "
            "sorts by distance, and needs `near` and no query."
        ),
        Sort,
    ),
    one("page", gettext_noop("Page numbers start at 1."), {"type": "integer", "minimum": 1, "default": 1}),
    one(
        "seen",
        gettext_noop(
            "The state of the collection when the first page was requested. Images added later are left "
            "out, so that pages neither repeat nor skip any. Part of `next`. Links of older versions "
            "contain Unix seconds."
        ),
        {"type": "integer", "minimum": 0},
    ),
    one(
        "after",
        gettext_noop(
            "The last result of the page before, from which the page continues although others before it were "
            "hidden or deleted meanwhile. Part of `next`."
        ),
        _TEXT,
    ),
]

SEARCH_PARAMETERS = [*PARTS, *FILTERS, *ORDER]


def form(**fields: Json) -> Json:
    """Return the request body of a form with a picture and these other fields."""
    kinds = (
        "A JPEG, PNG, WebP, GIF, AVIF, HEIC, TIFF, BMP or JPEG 2000 file, or a camera's RAW file with a JPEG inside."
    )
    picture = {"type": "string", "format": "binary", "description": kinds}
    schema = {"type": "object", "properties": {"picture": picture, **fields}, "required": ["picture"]}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
