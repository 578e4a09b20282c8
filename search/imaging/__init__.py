"""Untrusted bytes -> an upright RGB picture, or UnreadableImage; and the small pictures made from it."""

from search.imaging.derived import dominant_colour, placeholder, reduced, thumbnail
from search.imaging.errors import Reason, UnreadableImage, memory_guarded, too_many_bytes
from search.imaging.formats import FORMATS, Format
from search.imaging.palette import PALETTE, palette_colour
from search.imaging.reading import ReadPicture, read_picture

__all__ = [
    "FORMATS",
    "PALETTE",
    "Format",
    "ReadPicture",
    "Reason",
    "UnreadableImage",
    "dominant_colour",
    "memory_guarded",
    "palette_colour",
    "placeholder",
    "read_picture",
    "reduced",
    "thumbnail",
    "too_many_bytes",
]
