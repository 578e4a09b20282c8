"""Untrusted bytes to an upright RGB picture, or UnreadableImage; and thumbnails, colours and crops of pictures.

Much of it runs in the decoder processes: no Django, numpy or models there. Imports `containers` and `metadata`. Verbs:
`read_picture`, `thumbnail`, `colours_of`, `windows_of`, `perceptual_hash`.
"""

from search.containers.accepted_formats import EXTENSIONS, FORMATS, RAW_EXTENSIONS, recognised
from search.containers.errors import Reason, UnreadableImage, memory_guarded, too_many_bytes, too_much_memory
from search.containers.raw import embedded_jpeg
from search.imaging.colour_extraction import COLOUR_NAMES, MOST_SWATCHES, Colours, Swatch, colours_of
from search.imaging.named_colours import PALETTE, palette_colour
from search.imaging.picture_decoding import ReadPicture, read_picture
from search.imaging.thumbnails import (
    ROUNDING,
    cut_out,
    dominant_colour,
    placeholder,
    thumbnail,
    touched_pixels,
)
from search.imaging.wide_picture_windows import MOST as MOST_WINDOWS
from search.imaging.wide_picture_windows import UNIT, Box, is_wide

__all__ = [
    "COLOUR_NAMES",
    "EXTENSIONS",
    "FORMATS",
    "MOST_SWATCHES",
    "MOST_WINDOWS",
    "PALETTE",
    "RAW_EXTENSIONS",
    "ROUNDING",
    "UNIT",
    "Box",
    "Colours",
    "ReadPicture",
    "Reason",
    "Swatch",
    "UnreadableImage",
    "colours_of",
    "cut_out",
    "dominant_colour",
    "embedded_jpeg",
    "is_wide",
    "memory_guarded",
    "palette_colour",
    "placeholder",
    "read_picture",
    "recognised",
    "thumbnail",
    "too_many_bytes",
    "too_much_memory",
    "touched_pixels",
]
