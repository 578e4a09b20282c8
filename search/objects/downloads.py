"""The copy of an image that is handed out, and what its file is called."""

from django.utils.text import slugify

from search.models import Image
from search.objects import storage
from search.scrubbing import Scrubbed, scrubbed

_LONGEST_NAME = 200
"""In bytes of UTF-8, which file systems count; a number and an extension still fit behind it."""
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
"""No file on Windows may be called so, whatever its extension."""


def clean_copy(image: Image) -> Scrubbed:
    """Return the picture as it was uploaded, but without the place and device it was taken with.

    Raises MissingObject, StorageUnavailable and UnreadableImage.
    """
    data = storage.read_original(image)
    return scrubbed(data, image.format, max_pixels=image.width * image.height)


def file_stem(image: Image) -> str:
    """Return a readable name without its extension that every system takes: of the title, else the image's id."""
    name = slugify(image.title, allow_unicode=True)[:80].encode()[:_LONGEST_NAME].decode(errors="ignore").strip("-_")
    if name in _DEVICES:
        return f"{name}-picture"
    return name or str(image.id)
