"""Typed functions for each decoder task: pictures, smaller copies, re-encoded files. All raise what `decode`
raises."""

import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from PIL import Image

from search.decoding.decoder_supervision import Answer, Source
from search.decoding.task_runner import decode
from search.imaging import (
    FORMATS,
    MOST_SWATCHES,
    MOST_WINDOWS,
    PALETTE,
    UNIT,
    Box,
    Colours,
    ReadPicture,
    Reason,
    Swatch,
    UnreadableImage,
)
from search.imaging.perceptual_hash import perceptual_hash
from search.imaging.thumbnails import COMPARED_GREYS, COMPARED_SIDE
from search.metadata import PhotoMetadata

MODEL_SIDE = 224
"""Minimum shorter side in pixels for the model, unless its window says that it sees more."""
Window: TypeAlias = Sequence[int] | None
"""A model's crop, as arguments of `search.imaging.cut_out`, if known."""
_KEPT = ["greys", "colours", "hash", "copy", "written"]
_MANY_SECONDS = 30
"""Seconds after which a batch of files, which usually takes hundredths of a second, is repeated one by one."""
_COLOUR = re.compile("#[0-9a-f]{6}")
_PLACEHOLDER = re.compile("data:image/webp;base64,[A-Za-z0-9+/=]{20,2000}")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a model sees of a picture: the whole, and the windows of a wide or tall one, which are at `boxes`.

    A window is None where it equals what the model sees of the whole picture.
    """

    picture: Image.Image = field(repr=False)
    windows: tuple[Image.Image | None, ...] = field(default=(), repr=False)
    boxes: tuple[Box, ...] = ()

    @property
    def pictures(self) -> list[Image.Image]:
        """All pictures to encode."""
        return [self.picture, *(window for window in self.windows if window)]


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that the collection stores of a picture; `seen` is what the model sees, None if not requested.

    `width` and `height` are those of the full picture, upright, and `thumbnail` is a WebP. `pixels` is equal for files
    whose stored, displayed and encoded pixels are equal; `perceptual` is the perceptual hash, None for a flat picture.
    """

    seen: Seen | None = field(repr=False)
    width: int
    height: int
    format: str
    dominant_colour: str
    colours: Colours
    placeholder: str
    thumbnail: bytes = field(repr=False)
    said: "FileMetadata" = field(repr=False)
    pixels: uuid.UUID
    perceptual: int | None = None


@dataclass(frozen=True, slots=True)
class FileMetadata:
    """Metadata of a picture: from an XMP sidecar, and from its file. `is_whole` is False where more of the file must
    be read to be complete."""

    sidecar: PhotoMetadata
    file: PhotoMetadata
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture used as a query: what the model sees, and a WebP of it."""

    picture: Image.Image = field(repr=False)
    copy: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Compared:
    """What `search.duplicates` compares of a picture: a `grey` copy, and a `small` one in YCbCr."""

    grey: Image.Image = field(repr=False)
    small: Image.Image = field(repr=False)


def read_picture(
    source: Source, *, max_pixels: int, at_least: int | None = None, longer_at_least: int = 1
) -> ReadPicture:
    """Return what `search.imaging.read_picture` returns."""
    least: dict[str, Any] = {"at_least": at_least, "longer_at_least": longer_at_least}
    answer = decode("picture", source, max_pixels=max_pixels, parts=["pixels"], **least)
    with _understood():
        (pixels,) = answer.blobs
        width, height = _sides(answer.facts, max_pixels)
        return ReadPicture(_picture(answer.facts, pixels), width, height, _known_format(answer.facts))


def picture_for_model(source: Source, *, max_pixels: int, longest: int, window: Window, of_collection: bool) -> Seen:
    """Return what the model sees of a picture: as small as it needs it, and cropped if its `window` is known.

    Vectors of such pictures and of full ones have a cosine of 0.99998, and 0.99 of their neighbours are the same:
    `ViT-B/32`, photos of 1600x1200 pixels.
    """
    options = _for_model(max_pixels, longest, window)
    answer = decode("picture", source, of_collection=of_collection, parts=["pixels", "windows"], **options)
    with _understood():
        return _seen(answer.facts, answer.blobs)


def prepared_picture(
    source: Source, *, max_pixels: int, longest: int, window: Window, with_picture: bool, xmp: bytes = b""
) -> Prepared:
    """Return all that is stored of a picture, with a copy of `longest` pixels, and `with_picture` what the model sees.

    `xmp` is the content of a sidecar.
    """
    parts = [*_KEPT, "pixels", "windows"] if with_picture else _KEPT
    options = _for_model(max_pixels, longest, window) | _sidecar(xmp)
    answer = decode("picture", source, copy=longest, parts=parts, **options)
    with _understood():
        greys, thumbnail, *seen = answer.blobs
        facts = answer.facts
        width, height = _sides(facts, max_pixels)
        return Prepared(
            seen=_seen(facts, seen) if with_picture else None,
            width=width,
            height=height,
            format=_known_format(facts),
            dominant_colour=_matching(_COLOUR, facts["dominant_colour"]),
            colours=_colours(facts),
            placeholder=_matching(_PLACEHOLDER, facts["placeholder"]),
            thumbnail=thumbnail,
            said=_said(facts),
            pixels=uuid.UUID(hex=str(facts["hash"])),
            perceptual=perceptual_hash(greys),
        )


def written_in(source: Source, *, xmp: bytes = b"", of_collection: bool = True) -> FileMetadata:
    """Return the metadata of a file, or of the beginning of one, and of an XMP sidecar, without decoding pixels."""
    facts = decode("written", source, of_collection=of_collection, **_sidecar(xmp)).facts
    with _understood():
        return _said(facts)


def written_in_many(files: Sequence[tuple[bytes, bytes]]) -> list[FileMetadata | UnreadableImage]:
    """Return the metadata of many files, each with its XMP sidecar, in the same order, with a single request to a
    decoder.

    A file that crashes its decoder affects only its own result.
    """
    if len(files) == 1:  # it may be large, and is not copied
        return [_alone(*files[0])]
    sizes = [(len(data), len(xmp)) for data, xmp in files]
    try:
        joined = b"".join(part for file in files for part in file)
        answer = decode("written_in_many", joined, of_collection=True, seconds=_MANY_SECONDS, sizes=sizes)
        with _understood():
            found = json.loads(answer.blobs[0])
            if len(found) != len(files):
                raise ValueError
            return [_said(facts) for facts in found]
    except UnreadableImage:
        return [_alone(data, xmp) for data, xmp in files]


def compared_in_many(files: Sequence[bytes], *, max_pixels: int) -> list[Compared | UnreadableImage]:
    """Return what is compared of small pictures of the collection, in the same order, with a single request to a
    decoder.

    A file that is refused, or crashes its decoder, affects only its own result.
    """
    if not files:
        return []
    try:
        return _compared(files, max_pixels)
    except UnreadableImage as refused:
        if len(files) == 1:
            return [refused]
        return [one for file in files for one in compared_in_many([file], max_pixels=max_pixels)]


def _compared(files: Sequence[bytes], max_pixels: int) -> list[Compared | UnreadableImage]:
    sizes = [len(file) for file in files]
    answer = decode("compared_in_many", b"".join(files), of_collection=True, sizes=sizes, max_pixels=max_pixels)
    with _understood():
        blobs, shown = iter(answer.blobs), answer.facts["shown"]
        if len(answer.blobs) != 2 * len(files):
            raise ValueError
        return [
            Compared(_greys(size, grey), Image.frombytes("YCbCr", (COMPARED_SIDE, COMPARED_SIDE), small))
            for size, grey, small in zip(shown, blobs, blobs, strict=True)
        ]


def _greys(size: Sequence[int], pixels: bytes) -> Image.Image:
    width, height = (int(side) for side in size)
    if not (0 < width <= COMPARED_GREYS and 0 < height <= COMPARED_GREYS):
        raise ValueError
    return Image.frombytes("L", (width, height), pixels)


def _alone(data: bytes, xmp: bytes) -> FileMetadata | UnreadableImage:
    try:
        return written_in(data, xmp=xmp)
    except UnreadableImage as refused:
        return refused


def _sidecar(xmp: bytes) -> dict[str, Any]:
    return {"sidecar": xmp.decode("latin-1")} if xmp else {}


def _said(facts: Mapping[str, Any]) -> FileMetadata:
    said = facts["said"]
    return FileMetadata(
        PhotoMetadata.from_facts(said["sidecar"]), PhotoMetadata.from_facts(said["file"]), said["is_whole"] is True
    )


def shown_picture(source: Source, *, max_pixels: int, longest: int, window: Window, copy: int) -> Shown:
    """Return a picture to search by, and a copy of `copy` pixels."""
    options = _for_model(max_pixels, longest, window)
    return _shown(decode("picture", source, copy=copy, parts=["copy", "pixels"], **options))


def shown_region(
    source: Source, region: Sequence[float], *, max_pixels: int, at_least: int, window: Window, copy: int
) -> Shown:
    """Return a region of a picture of the collection: left, top, width and height in fractions of it."""
    answer = decode(
        "picture",
        source,
        of_collection=True,
        max_pixels=max_pixels,
        at_least=at_least,
        region=region,
        window=window,
        copy=copy,
        parts=["copy", "pixels"],
    )
    return _shown(answer)


def small_copy(source: Source, *, max_pixels: int, at_least: int, longer_at_least: int = 1, longest: int) -> bytes:
    """Return a WebP of a picture of the collection, its longer side at most `longest` pixels."""
    least: dict[str, Any] = {"at_least": at_least, "longer_at_least": longer_at_least}
    answer = decode(
        "picture", source, of_collection=True, max_pixels=max_pixels, copy=longest, parts=["copy"], **least
    )
    with _understood():
        (data,) = answer.blobs
        return data


def hash_of_picture(source: Source, *, max_pixels: int) -> int | None:
    """Return the perceptual hash of a picture of the collection, or of a copy of one."""
    answer = decode("picture", source, of_collection=True, max_pixels=max_pixels, at_least=MODEL_SIDE, parts=["greys"])
    with _understood():
        (greys,) = answer.blobs
        return perceptual_hash(greys)


def colours_of_picture(source: Source, *, max_pixels: int) -> Colours:
    """Return the colours of a picture of the collection, or of a copy of one."""
    answer = decode("colours", source, of_collection=True, max_pixels=max_pixels)
    with _understood():
        return _colours(answer.facts)


def reencoded(source: Source, *, max_pixels: int, lossless: bool) -> tuple[bytes, str]:
    """Return the whole picture re-encoded without metadata, and its format: PNG or JPEG."""
    answer = decode("reencoded", source, of_collection=True, max_pixels=max_pixels, lossless=lossless)
    with _understood():
        (data,) = answer.blobs
        return data, _known_format(answer.facts)


@contextmanager
def _understood() -> Iterator[None]:
    """Refuse a file whose decoder's answer is invalid: the file may have taken over its decoder."""
    try:
        yield
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UnreadableImage(Reason.BROKE_OFF) from error


def _for_model(max_pixels: int, longest: int, window: Window) -> dict[str, Any]:
    return {
        "max_pixels": max_pixels,
        # Some see more than most: 384 or 512 pixels.
        "at_least": max(MODEL_SIDE, (window[0] or window[1]) if window else 0),
        "longer_at_least": longest,
        "longest": longest,
        "window": window,
    }


def _shown(answer: Answer) -> Shown:
    with _understood():
        copy, pixels = answer.blobs
        return Shown(_picture(answer.facts, pixels), copy)


def _seen(facts: Mapping[str, Any], blobs: Sequence[bytes]) -> Seen:
    whole, *windows = blobs
    boxes, sizes = tuple(_box(edges) for edges in facts["windows"]), facts["window_sizes"]
    if (
        len(boxes) > MOST_WINDOWS
        or len(boxes) != len(sizes)
        or len(windows) != sum(size is not None for size in sizes)
    ):
        raise ValueError
    left = iter(windows)
    cut = tuple(_rgb(size, next(left)) if size else None for size in sizes)
    return Seen(_picture(facts, whole), cut, boxes)


def _box(edges: Sequence[int]) -> Box:
    box = Box(*(int(edge) for edge in edges))
    if not (0 <= box.left < box.right <= UNIT and 0 <= box.top < box.bottom <= UNIT):
        raise ValueError
    return box


def _picture(facts: Mapping[str, Any], pixels: bytes) -> Image.Image:
    return _rgb(facts["size"], pixels)


def _rgb(size: Sequence[int], pixels: bytes) -> Image.Image:
    width, height = size
    return Image.frombytes("RGB", (int(width), int(height)), pixels)


def _sides(facts: Mapping[str, Any], max_pixels: int) -> tuple[int, int]:
    width, height = int(facts["width"]), int(facts["height"])
    if min(width, height) < 1 or width * height > max_pixels:
        raise ValueError
    return width, height


def _known_format(facts: Mapping[str, Any]) -> str:
    if facts["format"] not in FORMATS:
        raise ValueError
    return str(facts["format"])


def _colours(facts: Mapping[str, Any]) -> Colours:
    some, mostly, swatches = facts["palette"]
    found = tuple(Swatch(name, _matching(_COLOUR, colour), int(share)) for name, colour, share in swatches)
    names = {*some, *mostly, *(one.name for one in found)}
    if not found or len(found) > MOST_SWATCHES or not names <= PALETTE.keys():
        raise ValueError
    if not all(0 < one.share <= 100 for one in found):
        raise ValueError
    known = [tuple(name for name in PALETTE if name in those) for those in (some, mostly)]
    return Colours(known[0], known[1], found)


def _matching(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError
    return text
