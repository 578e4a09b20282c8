"""The pixels that a model sees of a picture, cropped as by the model's own image processor."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from search.embedding.protocol import Picture
from search.imaging import cut_out


@dataclass(frozen=True, slots=True)
class Window:
    """A model's crop: the shorter side is scaled to `shortest` pixels with Pillow's filter `resample`, and the central
    square of `side` pixels is the model's input. If `shortest` is 0, the whole picture is squeezed into that square.
    `mean` and `std` are per colour channel, from 0 to 1."""

    shortest: int
    side: int
    resample: int
    mean: Sequence[float]
    std: Sequence[float]

    def cut(self, picture: Picture) -> Picture:
        """Return the model's view of `picture`, upright and RGB. Idempotent."""
        return cut_out(picture, *self.sizes)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """The arguments of `cut_out`."""
        return self.shortest, self.side, self.resample


def stacked(pictures: Sequence[Picture]) -> npt.NDArray[np.uint8]:
    """Return cropped pictures as one array of bytes, shape (count, side, side, 3)."""
    return np.stack([np.asarray(picture) for picture in pictures])
