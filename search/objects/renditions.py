"""Renditions: smaller copies of an image, made once and stored, and their URLs."""

import logging
import uuid
from collections.abc import Callable, Iterable
from functools import cache

from django.conf import settings
from django.urls import get_script_prefix, reverse

from search import decoding
from search.models import Image
from search.objects import storage
from search.objects.deletion import stored_with_row

logger = logging.getLogger(__name__)


def read_or_make(image: Image, longest: int) -> bytes:
    """Return a rendition, at most `longest` pixels on its longest side; it is made on the first request.

    Raises MissingObject if the original is gone, or the image is deleted meanwhile, StorageUnavailable,
    UnreadableImage and decoding.Busy.
    """
    key = storage.rendition_key(image.id, longest)
    try:
        return storage.read(key)
    except storage.MissingObject:
        original = storage.read_original(image)
    pixels = max(settings.UPLOAD_MAX_MEGAPIXELS * 1_000_000, image.width * image.height)
    shorter, longer = sorted((image.width, image.height))
    data = decoding.small_copy(
        original,
        max_pixels=pixels,
        # Decode no more than needed: a page of results requests two dozen at once.
        at_least=max(1, -(-longest * shorter // longer)),
        longest=longest,
    )
    try:
        is_there = stored_with_row(image.id, key, data, "image/webp")
    except storage.StorageFull as error:  # it is made again on the next request
        logger.warning("A rendition could not be stored: %s", error)
        return data
    if not is_there:
        raise storage.MissingObject(f"{image.id} has been deleted.")
    return data


def thumbnail_urls(images: Iterable[Image]) -> dict[str, str]:
    """Return the URLs of thumbnails by image id. Thumbnails exist already, so the storage may serve them.

    Hidden images have URLs of our site, which checks permissions: a URL of the storage works for everyone who has it.
    So do all images if no URL can be signed now.
    """
    images = list(images)
    address = addresses("rendition", storage.THUMBNAIL)
    ours = {(key := str(image.id)): address(key) for image in images}
    shown = [image.id for image in images if not image.hidden]
    if not shown or not storage.serves_itself():
        return ours
    try:
        theirs = storage.rendition_urls(shown, storage.THUMBNAIL)
    except storage.StorageUnavailable as error:
        logger.error("Addresses of thumbnails could not be signed: %s", error)
        return ours
    return ours | {str(image_id): url for image_id, url in theirs.items()}


def addresses(name: str, *rest: object) -> Callable[[uuid.UUID | str], str]:
    """Return a function from an image's id to its URL under the route `name`, whose arguments are the id and `rest`.

    A page has a hundred of them, and Django takes 15 µs for each.
    """
    before, after = _around_the_id(get_script_prefix(), name, rest)
    return lambda image_id: f"{before}{image_id}{after}"


@cache
def _around_the_id(_prefix: str, name: str, rest: tuple[object, ...]) -> tuple[str, str]:
    before, after = reverse(name, args=[_ANY_ID, *rest]).split(str(_ANY_ID))
    return before, after


_ANY_ID = uuid.UUID(int=0)
