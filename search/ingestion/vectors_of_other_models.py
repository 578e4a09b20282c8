"""Vectors of models other than the active one: one that is being prepared, or the previous one."""

import logging
import threading
import uuid
from collections.abc import Collection, Mapping, Sequence

from pgvector import HalfVector

from search.ingestion.pipeline.window_vectors import Encoded, write_windows
from search.models import Image
from search.models.active_pair import Choice, look_again
from search.models.sql_statements import execute, fetch_column, fetch_one, fetch_value
from search.models.vector_sets import VectorTable

logger = logging.getLogger(__name__)

_FACTOR = 8
"""Factor by which more rows are fetched than needed: others may have claimed some."""
_CLAIMS = 0x73776974
"""Namespace of the advisory locks used as claims; the rows stay unlocked for curators."""


class MissingVectors:
    """Images without a vector of a model, ordered by id; each worker starts at a random id.

    A claim is an advisory lock that ends with the transaction. If the vector set is dropped meanwhile, nothing is
    left.
    """

    def __init__(self, choice: Choice, table: VectorTable) -> None:
        """`choice` has the encoders."""
        self.choice: Choice | None = choice
        self._table = table
        self._lock = threading.Lock()
        self._after = uuid.uuid4()

    def next(self, count: int, without: Collection[uuid.UUID]) -> list[Image]:
        with self._lock:
            ids: list[uuid.UUID] = []
            while len(ids) < count and (found := self._following(_FACTOR * count, without)):
                for image_id in found:
                    self._after = image_id
                    if _claimed(image_id):
                        ids.append(image_id)
                    if len(ids) == count:
                        break
        # Another process may have written it and released its claim since.
        there = self._without_those_there(ids)
        return list(Image.objects.filter(pk__in=there).only("pk", "original_location", "byte_size").order_by("pk"))

    def left(self, without: Collection[uuid.UUID]) -> bool:
        with self._lock:
            self._after = uuid.UUID(int=0)
            return bool(self._following(1, without))

    def count(self) -> int:
        """Return how many images lack the vector."""
        if not self._is_there():
            return 0
        return int(fetch_value(f"SELECT count(*) FROM search_image AS image WHERE {self._lacks}"))  # noqa: S608 - our own name

    def give(self, encoded: Mapping[uuid.UUID, Encoded], backend: str) -> int:
        return write_other_vectors(self._table.model, encoded) if self._is_there() else 0

    def failed(self, image_id: uuid.UUID, reason: str) -> None:
        """Do nothing: the image's own vector did not fail. The command reports the failure."""

    @property
    def _lacks(self) -> str:
        return f"NOT EXISTS (SELECT FROM {self._table.table} v WHERE v.image_id = image.id AND v.window_index = 0)"

    def _is_there(self) -> bool:
        """Whether the set exists; locks it against being dropped until the transaction ends."""
        return fetch_one("SELECT FROM search_vectorset WHERE id = %s FOR KEY SHARE", [self._table.id]) is not None

    def _following(self, count: int, without: Collection[uuid.UUID]) -> list[uuid.UUID]:
        if not self._is_there():
            return []
        return fetch_column(
            f"SELECT id FROM search_image AS image WHERE id > %s AND {self._lacks} AND id <> ALL(%s)"  # noqa: S608
            " ORDER BY id LIMIT %s",
            [self._after, list(without), count],
        )

    def _without_those_there(self, ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
        if not ids:
            return []
        return fetch_column(
            f"SELECT id FROM search_image AS image WHERE id = ANY(%s) AND {self._lacks}",  # noqa: S608
            [list(ids)],
        )


def _claimed(image_id: uuid.UUID) -> bool:
    is_ours = fetch_value("SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", [_CLAIMS, str(image_id)])
    return bool(is_ours)


def write_other_vectors(model: str, encoded: Mapping[uuid.UUID, Encoded]) -> int:
    """Write vectors of images into all sets of `model`, whichever model is active; return how many images. Call in a
    transaction.

    Images deleted meanwhile are skipped.
    """
    ids = sorted(encoded)
    # Locked until the end: a deletion waits and then removes these vectors, too.
    there = fetch_column("SELECT id FROM search_image WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE", [ids])
    if not there:
        return 0
    execute(
        "INSERT INTO search_imagevector (set_id, image_id, embedding)"
        " SELECT its.id, given.image_id, given.vector::halfvec"
        " FROM unnest(%s::uuid[], %s::text[]) AS given (image_id, vector)"
        " JOIN search_vectorset AS its ON its.model = %s ORDER BY given.image_id, its.id"
        " ON CONFLICT (image_id, set_id, window_index) DO NOTHING",
        [there, [HalfVector(encoded[image_id].whole).to_text() for image_id in there], model],
    )
    write_windows({image_id: encoded[image_id].windows for image_id in there}, model)
    return len(there)


def block_switch(model: str) -> str:
    """Block model switches until the transaction ends; return the model whose vectors images are to have: `model`,
    unless another one became active since the vectors were made."""
    row = fetch_one("SELECT model, next_model, kept_model FROM search_modelswitch FOR SHARE")
    if row is None or model == row[0] or model not in row[1:]:
        return model
    look_again()
    return str(row[0])
