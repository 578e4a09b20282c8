"""Files of a tar that say something of a picture: those that have its name, and come before or behind it."""

import posixpath
from collections.abc import Mapping

from search.curation.captures import utf_8, webdataset_details
from search.ingestion.sources.names import is_picture_name, suffix_of
from search.metadata import LONGEST_SIDECAR
from search.metadata.sidecars import SUFFIXES, is_takeout, json_object

_GOOGLE = ".supplemental-metadata"


def may_be_caption(suffix: str, size: int) -> bool:
    return suffix in SUFFIXES and size <= LONGEST_SIDECAR


def sample_of(name: str) -> str:
    """Return what the names of a picture and of the files about it have in common: its name without the suffix."""
    stem = posixpath.splitext(name)[0]
    if suffix_of(name) in SUFFIXES:
        stem = stem.removesuffix(_GOOGLE)
        if is_picture_name(stem):  # as in `IMG_1.JPG.xmp`
            stem = posixpath.splitext(stem)[0]
    return stem


def remarks_on(texts: Mapping[str, bytes]) -> list[str]:
    """Return what had to be cut or left out of what a webdataset says of a picture; `texts` by suffix."""
    row = json_object(texts.get("json", b""))
    return [] if is_takeout(row) else webdataset_details(row, utf_8(texts.get("txt", b"")))[1]
