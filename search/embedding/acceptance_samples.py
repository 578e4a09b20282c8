"""Inputs on which backends are compared: pictures of the collection, or drawings while it has few; and example
queries."""

import random

from django.db import DatabaseError

from search import decoding
from search.demo.captions import LANGUAGES, example_queries
from search.demo.drawing import draw
from search.demo.scenes import random_scene
from search.embedding.protocol import Picture
from search.embedding.query_bank import queries
from search.imaging import UnreadableImage
from search.models import Image
from search.objects import storage

PICTURES, TEXTS = 64, 256


def sample_pictures(count: int = PICTURES) -> list[Picture]:
    """Return `count` pictures, upright and RGB: thumbnails of the collection, then drawings if it has fewer."""
    pictures = _of_the_collection(count)
    return [*pictures, *(drawing(seed) for seed in range(count - len(pictures)))]


def drawing(seed: int) -> Picture:
    """Return a drawn picture, the same for each seed."""
    return draw(random_scene(random.Random(seed)), seed, long_side=320)  # noqa: S311 - not a secret


def sample_texts(count: int = TEXTS) -> list[str]:
    """Return `count` texts, always the same: queries of the bank and examples of the demo, in all their languages."""
    texts = [text for language in LANGUAGES for text in example_queries(language)]
    texts += [text for own in queries().values() for text in own]
    return random.Random(0).sample(texts, count)  # noqa: S311 - not a secret


def _of_the_collection(count: int) -> list[Picture]:
    """Return some of the collection's pictures; ids are as good as random."""
    pictures = []
    try:
        ids = list(Image.objects.order_by("pk").values_list("pk", flat=True)[:count])
    except DatabaseError:  # not migrated yet, or not reachable
        return []
    for image_id in ids:
        try:
            data = storage.read(storage.rendition_key(image_id, storage.THUMBNAIL))
            pictures.append(decoding.read_picture(data, max_pixels=10**7).picture)
        except (storage.MissingObject, UnreadableImage):
            continue
        except storage.StorageUnavailable:
            break
    return pictures
