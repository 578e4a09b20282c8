"""Factories of vectors, images and picture files for the tests."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from pgvector import HalfVector
from PIL import Image as PILImage

from search.embedding import active_model
from search.models import Image
from search.models.vector_sets import VectorTable, current_set, index_name
from search.models.vector_values import Vector, as_text
from search.objects import storage


def a_vector(seed: int) -> Vector:
    """A random unit vector, the same for the same seed."""
    vector = np.random.default_rng(seed).normal(size=512).astype(np.float32)
    unit: Vector = vector / np.linalg.norm(vector)
    return unit


def near(vector: Vector, similarity: float, seed: int = 99) -> Vector:
    """A unit vector whose cosine with the unit vector `vector` is `similarity`."""
    other = a_vector(seed)
    across = other - vector * float(vector @ other)
    across /= np.linalg.norm(across)
    return vector * similarity + across * float(np.sqrt(1 - similarity**2))


def an_image(title: str = "", *, vector: Vector | None = None, seed: int | None = None, **fields: Any) -> Image:
    """A row without stored objects, for tests that need no picture."""
    image = an_unsaved_image(title, vector=vector, seed=seed, **fields)
    image.save(force_insert=True)
    return image


def an_unsaved_image(
    title: str = "", *, vector: Vector | HalfVector | None = None, seed: int | None = None, **fields: Any
) -> Image:
    """For tests that save many rows with `bulk_create`."""
    image_id = fields.pop("id", None) or uuid.uuid4()
    values: dict[str, Any] = {
        "embedding_model": active_model(),
        "format": "JPEG",
        "width": 640,
        "height": 480,
        "byte_size": 1000,
        "dominant_colour": "#aabbcc",
        "placeholder": "data:image/webp;base64,UklGRg==",
        **fields,
    }
    if vector is None:
        vector = a_vector(image_id.int % 2**32 if seed is None else seed)
    return Image(id=image_id, title=title, embedding=vector, **values)


class _WithText(HalfVector):
    """A vector with its text, which took half of the time of inserting a row."""

    def __init__(self, vector: Vector) -> None:
        super().__init__(vector)
        self.vector, self._text = vector, as_text(vector)

    def to_text(self) -> str:
        return self._text


_vectors_of_seed: dict[int, list[_WithText]] = {}


def _random_vectors(count: int, seed: int) -> list[_WithText]:
    known = _vectors_of_seed.setdefault(seed, [])
    if len(known) < count:
        vectors = np.random.default_rng(seed).normal(size=(count, 512))  # begins alike for every count
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        known += [_WithText(vector) for vector in vectors[len(known) :]]
    return known[:count]


def many_images(count: int, *, seed: int = 5, tags: Callable[[int], list[str]] = lambda number: []) -> list[Image]:
    """Rows with random vectors, titled by their number, inserted with one statement."""
    vectors = _random_vectors(count, seed)
    images = Image.objects.bulk_create(
        an_unsaved_image(str(number), vector=vector, tags=tags(number)) for number, vector in enumerate(vectors)
    )
    for image, vector in zip(images, vectors, strict=True):
        image.embedding = vector.vector
    return images


def picture_bytes(
    colour: str = "red", size: tuple[int, int] = (64, 48), format: str = "JPEG", **options: Any
) -> bytes:
    """An encoded picture of one colour."""
    buffer = BytesIO()
    PILImage.new("RGB", size, colour).save(buffer, format, **options)
    return buffer.getvalue()


def picture_file(name: str = "picture.jpg", data: bytes | None = None, **picture: Any) -> SimpleUploadedFile:
    """An uploaded file, as a browser sends it."""
    return SimpleUploadedFile(name, picture_bytes(**picture) if data is None else data)


def write_picture(path: Path, colour: str = "red", **picture: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture_bytes(colour, **picture))
    return path


def stored_image(colour: str = "red", **fields: Any) -> Image:
    """A row with its original in the storage."""
    image = an_image(**fields)
    storage.put(storage.original_key(image.id), picture_bytes(colour, size=(640, 480)), "image/jpeg")
    return image


def pending_image(colour: str = "red", **fields: Any) -> Image:
    """A row with its original in the storage that has no vector yet."""
    image = stored_image(colour, **fields)
    Image.objects.filter(pk=image.pk).update(embedding=None, embedding_model="")
    image.refresh_from_db()
    return image


def in_another_thread(work: Callable[[], object]) -> threading.Thread:
    """Run `work` in a thread, with a database connection of its own."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@contextmanager
def locked_elsewhere(lock: int | str) -> Iterator[None]:
    """Another session holds the advisory lock `lock`, or the one of an index of that name.

    It unlocks before it closes, as PostgreSQL ends a session only some time after its connection has closed.
    """
    key = "hashtextextended(%s, 0)" if isinstance(lock, str) else "%s"
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute(f"SELECT pg_advisory_lock({key})", [lock])
            try:
                yield
            finally:
                cursor.execute(f"SELECT pg_advisory_unlock({key})", [lock])
    finally:
        other.close()


def active_set() -> VectorTable:
    """The vector set that searches use."""
    table = current_set(active_model())
    assert table
    return table


def the_index() -> str:
    """The name of the active set's HNSW index, which has no partitions."""
    return index_name(active_set().table)
