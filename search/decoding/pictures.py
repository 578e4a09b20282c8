"""What is made of files, by name: pictures, smaller copies, clean ones. All raise what `decode` raises."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from search.decoding.processes import Answer, Source
from search.decoding.running import decode
from search.imaging import FORMATS, ReadPicture, Reason, UnreadableImage

_COLOUR = re.compile("#[0-9a-f]{6}")
_PLACEHOLDER = re.compile("data:image/webp;base64,[A-Za-z0-9+/=]{20,2000}")


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that the collection needs of a picture: `picture` is what the model is to see, None where it isn't wanted.

    `width` and `height` are those of the whole picture, upright, and `thumbnail` is a WebP.
    """

    picture: Image.Image | None = field(repr=False)
    width: int
    height: int
    format: str
    dominant_colour: str
    placeholder: str
    thumbnail: bytes = field(repr=False)


def read_picture(
    source: Source,
    *,
    max_pixels: int,
    at_least: int | None = None,
    longer_at_least: int = 1,
    region: Sequence[float] | None = None,
    of_collection: bool = False,
) -> ReadPicture:
    """Return what `search.imaging.read_picture` does, or a `region` of it: left, top, width, height in fractions."""
    answer = decode(
        "picture",
        source,
        of_collection=of_collection,
        max_pixels=max_pixels,
        at_least=at_least,
        longer_at_least=longer_at_least,
        region=region,
    )
    return _read(answer, max_pixels)


def picture_for_model(
    source: Source, *, max_pixels: int, side: int, longest: int, window: Sequence[int] | None, of_collection: bool
) -> ReadPicture:
    """Return a picture as small as the model needs it, and cut where its `window` is known (see `cut_out`)."""
    answer = decode(
        "for_model",
        source,
        of_collection=of_collection,
        max_pixels=max_pixels,
        side=side,
        longest=longest,
        window=window,
        parts=["pixels"],
    )
    return _read(answer, max_pixels)


def prepared_picture(
    source: Source, *, max_pixels: int, side: int, longest: int, window: Sequence[int] | None, with_picture: bool
) -> Prepared:
    """Return all that is kept of a picture, and with it what the model needs, or not."""
    parts = ["derived", "pixels"] if with_picture else ["derived"]
    answer = decode("for_model", source, max_pixels=max_pixels, side=side, longest=longest, window=window, parts=parts)
    with _understood():
        thumbnail, *pixels = answer.blobs
        facts = answer.facts
        width, height = _sides(facts, max_pixels)
        return Prepared(
            picture=_picture(facts, pixels[0]) if with_picture else None,
            width=width,
            height=height,
            format=_known_format(facts),
            dominant_colour=_matching(_COLOUR, facts["dominant_colour"]),
            placeholder=_matching(_PLACEHOLDER, facts["placeholder"]),
            thumbnail=thumbnail,
        )


def small_copy(
    source: Source, *, max_pixels: int, at_least: int, longer_at_least: int, longest: int, of_collection: bool
) -> bytes:
    """Return a WebP of the picture, its longer side at most `longest` pixels."""
    answer = decode(
        "small",
        source,
        of_collection=of_collection,
        max_pixels=max_pixels,
        at_least=at_least,
        longer_at_least=longer_at_least,
        longest=longest,
    )
    with _understood():
        (data,) = answer.blobs
        return data


def drawn_anew(source: Source, *, max_pixels: int, lossless: bool) -> tuple[bytes, str]:
    """Return the whole picture as a new file, and its format: PNG or JPEG."""
    answer = decode("drawn_anew", source, of_collection=True, max_pixels=max_pixels, lossless=lossless)
    with _understood():
        (data,) = answer.blobs
        return data, _known_format(answer.facts)


@contextmanager
def _understood() -> Iterator[None]:
    """Refuse a file whose decoder gives answers that make no sense: it may have taken over its decoder."""
    try:
        yield
    except (ValueError, TypeError, KeyError) as error:
        raise UnreadableImage(Reason.BROKE_OFF) from error


def _read(answer: Answer, max_pixels: int) -> ReadPicture:
    with _understood():
        (pixels,) = answer.blobs
        width, height = _sides(answer.facts, max_pixels)
        return ReadPicture(_picture(answer.facts, pixels), width, height, _known_format(answer.facts))


def _picture(facts: Mapping[str, Any], pixels: bytes) -> Image.Image:
    width, height = facts["size"]
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


def _matching(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError
    return text
