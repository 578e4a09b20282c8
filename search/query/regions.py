"""Regions: searching by a rectangle of an image."""

import base64
import binascii
import io
import math
import uuid
from dataclasses import dataclass

from django.conf import settings
from PIL import Image as PILImage

from search import decoding
from search.decoding import Shown
from search.embedding import picture_encoder
from search.imaging import ROUNDING, Box, touched_pixels
from search.imaging.salient_regions import salient_squares
from search.imaging.wide_picture_windows import is_middle
from search.models import Image
from search.objects import storage
from search.query.query_pictures import LONGEST, remember

LEAST_SIDE = 16
"""Minimum pixels of a region in each direction: of fewer, no model sees what they show."""
CROPS = 4
"""Maximum number of suggested regions of an image."""


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle in fractions of the upright picture's width and height, from its upper left corner."""

    left: float
    top: float
    width: float
    height: float

    @property
    def is_within(self) -> bool:
        """Whether it has an area and is within the picture, up to a rounding error."""
        return (
            min(self.left, self.top) >= 0
            and min(self.width, self.height) > 0
            and max(self.left + self.width, self.top + self.height) <= 1 + ROUNDING
        )

    def pixels_of(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return left, top, right and bottom in a picture of this size; every pixel that it touches is included."""
        return touched_pixels((width, height), self.left, self.top, self.width, self.height)

    def is_large_enough(self, width: int, height: int) -> bool:
        left, top, right, bottom = self.pixels_of(width, height)
        return right - left >= min(LEAST_SIDE, width) and bottom - top >= min(LEAST_SIDE, height)


def crops_of(image: Image) -> list[Region]:
    """Return up to CROPS regions of an image to search by: the windows of a wide or tall one, and salient regions."""
    windows = [box for number in range(1, 1 + len(image.windows or ()) // 4) if (box := image.window_box(number))]
    size = image.width, image.height
    boxes = [box for box in windows if not is_middle(box, size)][:CROPS]
    boxes += _salient_regions(image) if len(boxes) < CROPS else []
    regions = [Region(*box.shares) for box in boxes]
    return [region for region in regions if region.is_within and region.is_large_enough(*size)][:CROPS]


def _salient_regions(image: Image) -> list[Box]:
    """Return salient regions of the placeholder, which is in the row: a page that is only viewed fetches no object."""
    try:
        data = base64.b64decode(image.placeholder.partition(",")[2])
        with PILImage.open(io.BytesIO(data), formats=["WEBP"]) as small:
            return salient_squares(small.convert("RGB"), CROPS)
    except (OSError, ValueError, binascii.Error):
        return []


def remember_region(image: Image, region: Region) -> uuid.UUID:
    """Embed and store a region; return its token, the value of `?picture=`.

    Raises MissingObject, StorageUnavailable, UnreadableImage, decoding.Busy and ModelUnavailable.
    """
    if image.hidden:
        # A curator's request. The copy has a token of its own, or tokens that others got before would show it again.
        return remember(f"{image.id} {region} hidden".encode(), lambda: _cut_out(image, region))
    return remember(f"{image.id} {region}".encode(), lambda: _cut_out(image, region), part_of=image)


def _cut_out(image: Image, region: Region) -> Shown:
    """Return the region from the original, decoded no larger than the model needs."""
    shorter_side = min(region.width * image.width, region.height * image.height)
    return decoding.shown_region(
        storage.read_original(image),
        (region.left, region.top, region.width, region.height),
        max_pixels=max(settings.UPLOAD_MAX_MEGAPIXELS * 1_000_000, image.width * image.height),
        at_least=math.ceil(LONGEST * min(image.width, image.height) / shorter_side),
        window=picture_encoder().window,
        copy=LONGEST,
    )
