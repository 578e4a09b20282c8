"""Decoding of untrusted files in sandboxed processes, never in the process that asks.

A library may crash, hang or take all memory over a malicious file, so a process that can do nothing else decodes it
(`search.imaging.decoder_process`), and an error costs that file alone. Imports `imaging` and `metadata`. Verbs:
`read_picture`, `prepared_picture`, `picture_for_model`, `written_in`.
"""

from search.decoding.decoder_client import (
    Compared,
    FileMetadata,
    Prepared,
    Seen,
    Shown,
    Window,
    colours_of_picture,
    compared_in_many,
    hash_of_picture,
    picture_for_model,
    prepared_picture,
    read_picture,
    reencoded,
    shown_picture,
    shown_region,
    small_copy,
    written_in,
    written_in_many,
)
from search.decoding.decoder_supervision import Source, size_of
from search.decoding.errors import Busy, NoDecoder
from search.decoding.task_runner import bound_waiting

__all__ = [
    "Busy",
    "Compared",
    "FileMetadata",
    "NoDecoder",
    "Prepared",
    "Seen",
    "Shown",
    "Source",
    "Window",
    "bound_waiting",
    "colours_of_picture",
    "compared_in_many",
    "hash_of_picture",
    "picture_for_model",
    "prepared_picture",
    "read_picture",
    "reencoded",
    "shown_picture",
    "shown_region",
    "size_of",
    "small_copy",
    "written_in",
    "written_in_many",
]
