"""A picture -> the pixels that a model sees, as the model's own image processor would cut them out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from search.embedding.protocol import Picture
from search.imaging import cut_out


@dataclass(frozen=True, slots=True)
class Window:
    """The shorter side is scaled to `shortest` pixels with the filter `resample` of Pillow, and the middle square of
    `side` pixels is what the model sees. Where `shortest` is 0, it sees the whole picture, squeezed into that square.
    `mean` and `std` are of the three colours, from 0 to 1."""

    shortest: int
    side: int
    resample: int
    mean: Sequence[float]
    std: Sequence[float]

    def cut(self, picture: Picture) -> Picture:
        """Return what the model sees of `picture`, upright and RGB. Cut once more, it stays as it is."""
        return cut_out(picture, *self.sizes)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """What `cut_out` takes, wherever it does that."""
        return self.shortest, self.side, self.resample


def stacked(pictures: Sequence[Picture]) -> npt.NDArray[np.uint8]:
    """Return cut pictures as one array of bytes, shape (count, side, side, 3)."""
    return np.stack([np.asarray(picture) for picture in pictures])
