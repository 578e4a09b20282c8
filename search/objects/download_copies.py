"""Downloads: the copy of an image that users get, and its file name."""

from django.utils.text import slugify

from search.models import Image
from search.objects import storage
from search.scrubbing import Scrubbed, scrubbed

_LONGEST_NAME = 200
"""In bytes of UTF-8, which file systems count; leaves room for a number and an extension."""
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
"""Reserved device names on Windows, whatever the extension."""


def clean_copy(image: Image) -> Scrubbed:
    """Return the picture as uploaded, without metadata such as place and device.

    Raises MissingObject, StorageUnavailable and UnreadableImage.
    """
    data = storage.read_original(image)
    return scrubbed(data, image.format, max_pixels=image.width * image.height)


def file_stem(image: Image) -> str:
    """Return a file name without extension that is valid on every system: from the title, else the image's id."""
    name = slugify(image.title, allow_unicode=True)[:80].encode()[:_LONGEST_NAME].decode(errors="ignore").strip("-_")
    if name in _DEVICES:
        return f"{name}-picture"
    return name or str(image.id)
