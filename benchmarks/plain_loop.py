"""The plain loop: the algorithm of the replaced system, with only this one's table.

Where the two differ, the plain loop does less: no thumbnail, no placeholder, no colour, no check for duplicates, no
page to render, and pgvector's default settings, which find less.
"""

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import psycopg
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from pgvector import HalfVector
from pgvector.psycopg import register_vector
from psycopg import sql

from benchmarks.benchmark_environment import World

PER_PAGE = 24
_MODEL = "plain"
"""Model name of its rows, to distinguish them from ours."""


class PlainLoop:
    """An image model, a text model, and one connection that commits every row."""

    def __init__(self, world: World) -> None:
        from sentence_transformers import SentenceTransformer

        self._pictures = SentenceTransformer(str(world.picture_model))
        self._words = SentenceTransformer(str(world.text_model))
        database = settings.DATABASES["default"]
        self._connection = psycopg.connect(
            dbname=database["NAME"],
            user=database["USER"],
            host=database["HOST"],
            port=database["PORT"] or None,
            autocommit=True,
        )
        register_vector(self._connection)

    def close(self) -> None:
        self._connection.close()

    def ingest(self, paths: Sequence[Path]) -> None:
        """Open, encode, store and insert one picture after the other."""
        for path in paths:
            picture = PIL.Image.open(path)
            vector = self._pictures.encode(picture, normalize_embeddings=True)
            name = str(uuid.uuid4())
            default_storage.save(f"plain/{name}", ContentFile(path.read_bytes()))
            self._insert(uuid.UUID(name), picture, vector, path.stat().st_size)

    def _insert(self, image_id: uuid.UUID, picture: PIL.Image.Image, vector: Any, size: int) -> None:
        row = {
            "id": image_id,
            "embedding": HalfVector(np.asarray(vector)),
            "embedding_model": _MODEL,
            **dict.fromkeys(["title", "description", "source_link", "author", "licence"], ""),
            "tags": [],
            "hidden": False,
            "format": "JPEG",
            "width": picture.width,
            "height": picture.height,
            "byte_size": size,
            "dominant_colour": "#808080",
            "colour": "grey",
            "placeholder": "data:image/",
        }
        statement = sql.SQL("INSERT INTO search_image ({}) VALUES ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(map(sql.Placeholder, row))
        )
        self._connection.execute(statement, row)

    def encode(self, words: str) -> Any:
        return self._words.encode(words)

    def search(self, words: str, page: int) -> list[tuple[Any, ...]]:
        """Encode the words again for every page, and select whole rows."""
        from search.embedding import active_model  # noqa: PLC0415 - after make_world
        from search.models.vector_sets import current_set  # noqa: PLC0415

        vector = self.encode(words)
        table = current_set(active_model())
        assert table
        statement = sql.SQL(
            "SELECT search_image.* FROM {} AS vectors JOIN search_image ON id = image_id"
            " ORDER BY vectors.embedding::halfvec({}) <=> %s LIMIT %s OFFSET %s"
        ).format(sql.Identifier(table.table), sql.Literal(table.dimensions))
        return self._connection.execute(statement, [HalfVector(vector), PER_PAGE, (page - 1) * PER_PAGE]).fetchall()
