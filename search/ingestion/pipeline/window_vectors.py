"""The vectors of a picture and of its windows: encoded together and written together."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pgvector import HalfVector

from search.decoding import Seen
from search.embedding import PictureEncoder
from search.imaging import Box
from search.models import Image
from search.models.sql_statements import execute
from search.models.vector_values import Vector


@dataclass(frozen=True, slots=True)
class Encoded:
    """The vector of a whole picture, and those of its windows, which are at `boxes`."""

    whole: Vector
    windows: tuple[Vector, ...] = field(default=(), repr=False)
    boxes: tuple[Box, ...] = ()

    def set_on(self, image: Image) -> None:
        """Set the vectors of a row that `rows.Staging` will write."""
        image.embedding, image.window_vectors = self.whole, self.windows
        image.windows = flat(self.boxes)


def encode_seen(encoder: PictureEncoder, seen: Sequence[Seen]) -> list[Encoded]:
    """Return the vectors of pictures cropped for this encoder, in the order given. Raises what the encoder raises."""
    vectors = iter(encoder.encode_pictures([picture for one in seen for picture in one.pictures]))
    found = []
    for one in seen:
        whole = next(vectors)
        windows = tuple(whole if window is None else next(vectors) for window in one.windows)
        found.append(Encoded(whole, windows, one.boxes))
    return found


def flat(boxes: Sequence[Box]) -> list[int]:
    """Return windows in the format of `Image.windows`."""
    return [edge for box in boxes for edge in box]


def write_windows(windows: Mapping[uuid.UUID, Sequence[Vector]], model: str) -> None:
    """Write the vectors of images' windows into all sets of `model`, replacing existing ones.

    Call in the transaction that writes the images: their rows exist and are locked.
    """
    # One order everywhere: several processes may write the same rows at once.
    rows = [
        (image_id, number, vector)
        for image_id in sorted(windows)
        for number, vector in enumerate(windows[image_id], 1)
    ]
    if not rows:
        return
    execute(
        "INSERT INTO search_imagevector (set_id, image_id, window_index, embedding)"
        " SELECT its.id, given.image_id, given.number, given.vector::halfvec"
        " FROM unnest(%s::uuid[], %s::int2[], %s::text[]) AS given (image_id, number, vector)"
        " JOIN search_vectorset AS its ON its.model = %s ORDER BY given.image_id, its.id, given.number"
        " ON CONFLICT (image_id, set_id, window_index) DO UPDATE SET embedding = excluded.embedding",
        [
            [image_id for image_id, _number, _vector in rows],
            [number for _image_id, number, _vector in rows],
            [HalfVector(vector).to_text() for _image_id, _number, vector in rows],
            model,
        ],
    )
