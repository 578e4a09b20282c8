"""Rows with pending vectors, claimed in batches: a claim is a row lock and ends with the transaction.

Any number of processes on any number of machines may claim at once. The rows of a killed process are released as soon
as the database notices that its connection is gone.
"""

import threading
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from django.db import transaction
from pgvector import HalfVector

from search.embedding import active_model, require_stored
from search.ingestion.pipeline.window_vectors import Encoded, flat, write_windows
from search.ingestion.vectors_of_other_models import block_switch
from search.models import Image
from search.models.accepted_models import accepted_names
from search.models.active_pair import Choice
from search.models.querysets import ImageQuerySet
from search.models.sql_statements import execute

PATIENCE = "10min"
"""How long a claim may be idle, as in a hung process, before the database releases it."""


class PendingRows(Protocol):
    """Rows with pending vectors, in the order in which they are claimed. Thread-safe."""

    def next(self, count: int, without: Collection[uuid.UUID]) -> list[Image]:
        """Lock and return up to `count` rows that no other process has claimed; none at the end."""

    def left(self, without: Collection[uuid.UUID]) -> bool:
        """Whether rows are left, claimed ones included; after this `next` starts again from the first."""

    @property
    def choice(self) -> Choice | None:
        """The models whose vectors are pending; None for the active pair at the time of writing."""

    def give(self, encoded: Mapping[uuid.UUID, Encoded], backend: str) -> int:
        """Write the vectors of claimed rows, made by `backend`; return the number of rows."""

    def failed(self, image_id: uuid.UUID, reason: str) -> None:
        """Record why a row has no vector."""


class _OwnVectors:
    """Rows that lack the vectors of the active model, of the whole picture and its windows."""

    choice: Choice | None = None

    def give(self, encoded: Mapping[uuid.UUID, Encoded], backend: str) -> int:
        return write_vectors(encoded, backend)

    def failed(self, image_id: uuid.UUID, reason: str) -> None:
        Image(pk=image_id).note_failure(reason)


class Pending(_OwnVectors):
    """Rows without any vector, oldest first."""

    def next(self, count: int, without: Collection[uuid.UUID]) -> list[Image]:
        # The partial index of pending rows holds nothing else, so ordering by `created` is cheap.
        return _locked(Image.objects.pending().exclude(pk__in=without).order_by("created", "pk"), count)

    def left(self, without: Collection[uuid.UUID]) -> bool:
        return Image.objects.pending().exclude(pk__in=without).exists()


class Stale(_OwnVectors):
    """Rows without a vector of the active model, pending ones included, ordered by id.

    No index selects them, so each scan of the table continues after the last claim.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._after = uuid.UUID(int=0)

    def next(self, count: int, without: Collection[uuid.UUID]) -> list[Image]:
        with self._lock:
            rows = _locked(self._rows(without).filter(pk__gt=self._after).order_by("pk"), count)
            if rows:
                self._after = rows[-1].pk
        return rows

    def left(self, without: Collection[uuid.UUID]) -> bool:
        with self._lock:
            self._after = uuid.UUID(int=0)
        return self._rows(without).exists()

    def _rows(self, without: Collection[uuid.UUID]) -> ImageQuerySet:
        return Image.objects.exclude(embedding_model__in=accepted_names(active_model())).exclude(pk__in=without)


class PendingWindows(_OwnVectors):
    """Wide and tall images that lack window vectors: added before windows existed. Ordered by id."""

    def next(self, count: int, without: Collection[uuid.UUID]) -> list[Image]:
        return _locked(self._rows(without).order_by("pk"), count)

    def left(self, without: Collection[uuid.UUID]) -> bool:
        return self._rows(without).exists()

    def give(self, encoded: Mapping[uuid.UUID, Encoded], backend: str) -> int:
        return write_pending_windows(encoded)

    def _rows(self, without: Collection[uuid.UUID]) -> ImageQuerySet:
        return Image.objects.with_pending_windows(active_model()).exclude(pk__in=without)


def _locked(rows: ImageQuerySet, count: int) -> list[Image]:
    # A lock that leaves the key free: a picture can be reported while its vector is computed.
    locked = rows.select_for_update(skip_locked=True, no_key=True, of=("self",))
    return list(locked.only("pk", "original_location", "byte_size")[:count])


@contextmanager
def claim(owed: PendingRows, count: int, without: Collection[uuid.UUID]) -> Iterator[list[Image]]:
    """Claim up to `count` rows for the block, which is one transaction."""
    with transaction.atomic():
        _free_when_lost()
        yield owed.next(count, without)


def _free_when_lost() -> None:
    """Let the database end this transaction soon when its client is gone or hangs, rather than after two hours."""
    execute(
        "SELECT set_config('idle_in_transaction_session_timeout', %s, true),"
        " set_config('tcp_keepalives_idle', '30', true), set_config('tcp_keepalives_interval', '10', true),"
        " set_config('tcp_keepalives_count', '3', true)",
        [PATIENCE],
    )


def write_vectors(encoded: Mapping[uuid.UUID, Encoded], backend: str) -> int:
    """Write the vectors of the active model, made by `backend`, and those of the windows; return the number of images.
    Call in a transaction.

    Writes nothing and returns 0 if another model became active meanwhile: the rows still lack its vectors. A trigger
    (`search.models.arrivals`) records when a pending row becomes searchable. Raises ModelUnavailable if the dimensions
    differ from the stored vectors.
    """
    for dimensions in {len(one.whole) for one in encoded.values()}:
        require_stored(active_model(), dimensions)
    if block_switch(active_model()) != active_model():
        return 0
    # One order everywhere, against deadlocks: this may also run without a claim.
    ids = sorted(encoded)
    execute(
        "UPDATE search_image AS image SET embedding = given.vector::halfvec, embedding_model = %s,"
        " embedding_backend = %s, embedding_failure = '', windows = given.windows::int2[]"
        " FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS given (id, vector, windows)"
        " WHERE image.id = given.id",
        [
            active_model(),
            backend,
            ids,
            [HalfVector(encoded[image_id].whole).to_text() for image_id in ids],
            [_array(encoded[image_id]) for image_id in ids],
        ],
    )
    write_windows({image_id: one.windows for image_id, one in encoded.items()}, active_model())
    return len(ids)


def write_pending_windows(encoded: Mapping[uuid.UUID, Encoded]) -> int:
    """Write the windows of claimed rows that already have their vectors. Call in a transaction."""
    if block_switch(active_model()) != active_model():
        return 0
    ids = sorted(encoded)
    execute(
        "UPDATE search_image AS image SET windows = given.windows::int2[], embedding_failure = ''"
        " FROM unnest(%s::uuid[], %s::text[]) AS given (id, windows) WHERE image.id = given.id",
        [ids, [_array(encoded[image_id]) for image_id in ids]],
    )
    write_windows({image_id: one.windows for image_id, one in encoded.items()}, active_model())
    return len(ids)


def _array(encoded: Encoded) -> str:
    """Return the windows as an array literal: nested arrays would all need the same length."""
    return f"{{{','.join(str(edge) for edge in flat(encoded.boxes))}}}"
