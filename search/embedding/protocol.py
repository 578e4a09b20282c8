"""What an encoder is, whatever computes it."""

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import PIL.Image

from search.vectors import Vectors

Picture: TypeAlias = PIL.Image.Image


class PictureEncoder(Protocol):
    @property
    def backend(self) -> str:
        """What computes the vectors, such as "torch float32": each row records it."""

    def fitted(self, picture: Picture) -> Picture:
        """Return `picture` as small as the model sees it, or as it is: any thread may do so ahead of encoding."""

    def encode_pictures(self, pictures: Sequence[Picture]) -> Vectors:
        """Return unit vectors, float32, shape (len(pictures), 512), in the order given.

        The pictures are upright and RGB. Raises WrongVectors for a model that gives anything else.
        """


class TextEncoder(Protocol):
    @property
    def backend(self) -> str:
        """What computes the vectors."""

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors, float32, shape (len(texts), 512), in the order given.

        Raises WrongVectors for a model that gives anything else.
        """
