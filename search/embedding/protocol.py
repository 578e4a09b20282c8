"""What an encoder is, whatever computes it."""

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import PIL.Image

from search.models.vector_values import Vectors

Picture: TypeAlias = PIL.Image.Image


class PictureEncoder(Protocol):
    @property
    def backend(self) -> str:
        """What computes the vectors, such as "torch float32": each row records it."""

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""

    @property
    def window(self) -> tuple[int, int, int] | None:
        """How `search.imaging.cut_out` makes a picture what the model sees of it, ahead of encoding; None where the
        encoder does that itself."""

    def encode_pictures(self, pictures: Sequence[Picture]) -> Vectors:
        """Return unit vectors, float32, shape (len(pictures), dimensions), in the order given.

        The pictures are upright and RGB. Raises WrongVectors for a model that gives anything else.
        """


class TextEncoder(Protocol):
    @property
    def backend(self) -> str:
        """What computes the vectors."""

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors, float32, shape (len(texts), dimensions), in the order given.

        Raises WrongVectors for a model that gives anything else.
        """
