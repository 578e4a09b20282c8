"""The interface of encoders, independent of the backend."""

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import PIL.Image

from search.models.vector_values import Vectors

Picture: TypeAlias = PIL.Image.Image


class PictureEncoder(Protocol):
    @property
    def backend(self) -> str:
        """The backend, such as "torch float32", which each row records."""

    @property
    def dimensions(self) -> int:
        """Dimensions of the vectors."""

    @property
    def window(self) -> tuple[int, int, int] | None:
        """The arguments of `search.imaging.cut_out` with which pictures can be cropped ahead of encoding; None if the
        encoder does that itself."""

    def encode_pictures(self, pictures: Sequence[Picture]) -> Vectors:
        """Return unit vectors, float32, shape (len(pictures), dimensions), in the order given.

        The pictures are upright and RGB. Raises WrongVectors for a model that returns anything else.
        """


class TextEncoder(Protocol):
    @property
    def backend(self) -> str:
        """The backend."""

    @property
    def dimensions(self) -> int:
        """Dimensions of the vectors."""

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors, float32, shape (len(texts), dimensions), in the order given.

        Raises WrongVectors for a model that returns anything else.
        """
