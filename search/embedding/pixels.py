"""A picture -> the pixels that a CLIP model sees, as the model's own image processor would cut them out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import PIL.Image

from search.embedding.protocol import Picture


@dataclass(frozen=True, slots=True)
class Window:
    """The shorter side is scaled to `shortest` pixels with the filter `resample` of Pillow, and the middle square of
    `side` pixels is what the model sees. `mean` and `std` are of the three colours, from 0 to 1."""

    shortest: int
    side: int
    resample: int
    mean: Sequence[float]
    std: Sequence[float]

    def cut(self, picture: Picture) -> Picture:
        """Return what the model sees of `picture`, upright and RGB. Cut once more, it stays as it is."""
        width, height = picture.size
        short = min(width, height)
        if short != self.shortest:
            # Rounded down, as the image processors of transformers do.
            width, height = (max(1, int(self.shortest * length / short)) for length in (width, height))
            picture = picture.resize((width, height), PIL.Image.Resampling(self.resample))
        left, top = (width - self.side) // 2, (height - self.side) // 2
        # Beyond the edges of a picture that is smaller than the square, this adds black, as the processors do.
        return picture.crop((left, top, left + self.side, top + self.side))


def stacked(pictures: Sequence[Picture]) -> npt.NDArray[np.uint8]:
    """Return cut pictures as one array of bytes, shape (count, side, side, 3)."""
    return np.stack([np.asarray(picture) for picture in pictures])
