"""Sidecars in tar archives: members with the name of a picture, before or after it."""

import posixpath
from collections.abc import Mapping

from search.curation.metadata_import import utf_8, webdataset_details
from search.ingestion.sources.file_names import is_picture_name, suffix_of
from search.metadata import LONGEST_SIDECAR
from search.metadata.sidecar_names import SUFFIXES, json_object
from search.metadata.takeout import is_takeout

_GOOGLE = ".supplemental-metadata"


def may_be_caption(suffix: str, size: int) -> bool:
    return suffix in SUFFIXES and size <= LONGEST_SIDECAR


def sample_of(name: str) -> str:
    """Return the name that a picture and its sidecars share: without the suffix."""
    stem = posixpath.splitext(name)[0]
    if suffix_of(name) in SUFFIXES:
        stem = stem.removesuffix(_GOOGLE)
        if is_picture_name(stem):  # as in `IMG_1.JPG.xmp`
            stem = posixpath.splitext(stem)[0]
    return stem


def remarks_on(texts: Mapping[str, bytes]) -> list[str]:
    """Return what was cut or left out of a webdataset's sidecars; `texts` by suffix."""
    row = json_object(texts.get("json", b""))
    return [] if is_takeout(row) else webdataset_details(row, utf_8(texts.get("txt", b"")))[1]
