"""The room through which all bytes that show a picture go: decoder processes look at them, never the one that asks.

A library that decodes pictures may be broken off, hang or take all memory over a file that a stranger made. So this is
done by processes that can do nothing else (search.imaging.decoder_process): what goes wrong there costs that file
alone.
"""

from search.decoding.errors import Busy, NoDecoder
from search.decoding.pictures import (
    MODEL_SIDE,
    Compared,
    Prepared,
    Said,
    Seen,
    Shown,
    Window,
    colours_of_picture,
    compared_in_many,
    drawn_anew,
    hash_of_picture,
    picture_for_model,
    prepared_picture,
    read_picture,
    shown_picture,
    shown_region,
    small_copy,
    written_in,
    written_in_many,
)
from search.decoding.processes import Source, size_of
from search.decoding.running import bound_waiting, decode

__all__ = [
    "MODEL_SIDE",
    "Busy",
    "Compared",
    "NoDecoder",
    "Prepared",
    "Said",
    "Seen",
    "Shown",
    "Source",
    "Window",
    "bound_waiting",
    "colours_of_picture",
    "compared_in_many",
    "decode",
    "drawn_anew",
    "hash_of_picture",
    "picture_for_model",
    "prepared_picture",
    "read_picture",
    "shown_picture",
    "shown_region",
    "size_of",
    "small_copy",
    "written_in",
    "written_in_many",
]
