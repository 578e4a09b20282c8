"""Read examples for display on each page, since pictures may have been hidden after measuring. One query, no model."""

import random
import uuid
from dataclasses import dataclass

from search.embedding import active_model, text_model
from search.models import Image
from search.models.sql_statements import fetch_all
from search.objects.renditions import thumbnail_urls

# Private pictures and those in the trash are hidden, too.
_READ = """
SELECT thing.position, thing.words, image.id, image.width, image.height
FROM search_thingset AS its JOIN search_thing AS thing ON thing.of_id = its.id
CROSS JOIN LATERAL unnest(thing.images) WITH ORDINALITY AS one (id, place)
JOIN search_image AS image ON image.id = one.id
WHERE its.model = %s AND its.text_model = %s AND thing.language = %s AND NOT image.hidden
AND (thing.borne = '' OR image.title = thing.borne OR thing.borne = ANY (image.tags))
ORDER BY thing.position, one.place
"""


@dataclass(frozen=True, slots=True)
class ShownThing:
    """A text to search for, as searched and as displayed, and the thumbnail address of a picture that it finds."""

    words: str
    thumbnail: str

    @property
    def label(self) -> str:
        return self.words[:1].upper() + self.words[1:]


SHOWN = 10


def shown_things(language: str, count: int = SHOWN) -> list[ShownThing]:
    """Return up to `count` examples in a language of the site, strongest first, each with a different visible
    picture."""
    found: dict[str, Image] = {}
    taken: set[uuid.UUID] = set()
    for _position, words, image_id, width, height in _rows(language):
        if words not in found and image_id not in taken and len(found) < count:
            found[words] = Image(id=image_id, width=width, height=height)
            taken.add(image_id)
    thumbnails = thumbnail_urls(found.values())
    return [ShownThing(words, thumbnails[str(image.id)]) for words, image in found.items()]


def example_queries(language: str, count: int = 4) -> list[str]:
    """Return a random choice of up to `count` of the SHOWN strongest examples in a language of the site."""
    offered = list(dict.fromkeys(words for _position, words, *_image in _rows(language)))[:SHOWN]
    return random.sample(offered, min(count, len(offered)))


def _rows(language: str) -> list[tuple[int, str, uuid.UUID, int, int]]:
    rows: list[tuple[int, str, uuid.UUID, int, int]] = fetch_all(_READ, [active_model(), text_model(), language[:2]])
    return rows
