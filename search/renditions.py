"""Smaller copies of an image: made once, kept in the storage, and where browsers find them."""

from collections.abc import Iterable

from django.conf import settings
from django.urls import reverse

from search import storage
from search.imaging import read_picture, thumbnail
from search.models import Image


def read_or_make(image: Image, longest: int) -> bytes:
    """Return a rendition, `longest` pixels at most on its longest side; the first to ask has it made.

    Raises MissingObject when the original is gone, StorageUnavailable, and UnreadableImage.
    """
    key = storage.rendition_key(image.id, longest)
    try:
        return storage.read(key)
    except storage.MissingObject:
        original = storage.read(storage.original_key(image.id))
    pixels = settings.UPLOAD_MAX_MEGAPIXELS * 1_000_000
    data = thumbnail(read_picture(original, max_pixels=max(pixels, image.width * image.height)).picture, longest)
    storage.put(key, data, "image/webp")
    return data


def thumbnail_urls(images: Iterable[Image]) -> dict[str, str]:
    """Return the addresses of the thumbnails by the image's id."""
    ids = [image.id for image in images]
    if storage.serves_itself():
        return {str(image_id): url for image_id, url in storage.rendition_urls(ids, storage.THUMBNAIL).items()}
    return {str(image_id): reverse("rendition", args=[image_id, storage.THUMBNAIL]) for image_id in ids}
