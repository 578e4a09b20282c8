"""Partitioning the table of a large vector set during searches and uploads."""

import uuid

import pytest

from search.indexing import partitioning
from search.indexing.index_building import State, index_state, lock_index, unlock_index
from search.indexing.partitioning import divide, parts_for
from search.models import Image, ImageVector, VectorSet
from search.models.vector_sets import VectorTable, current_set, make_set
from tests.base import locked_elsewhere
from tests.test_vector_sets import an_image, rows, unit

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other process uses the old table, and batches are small."""
    monkeypatch.setattr(partitioning, "STILL_SEARCHED", 0)
    monkeypatch.setattr(partitioning, "BATCH", 4)


def a_set() -> VectorTable:
    Image.objects.bulk_create([an_image(seed) for seed in range(1, 11)])
    table = current_set("one")
    assert table is not None
    return table


def active() -> int:
    table = current_set("one")
    assert table is not None
    return table.id


def add_window(image: int, table: VectorTable) -> None:
    ImageVector.objects.create(image_id=uuid.UUID(int=image), set_id=table.id, window_index=1, embedding=unit(99))


@pytest.mark.parametrize(("vectors", "parts"), [(0, 1), (1_500_000, 1), (1_500_001, 4), (5_000_000, 8)])
def test_the_number_of_partitions_is_a_power_of_two(vectors: int, parts: int) -> None:
    assert parts_for(vectors) == parts


def test_all_vectors_are_copied_once_and_each_partition_has_its_index() -> None:
    table = a_set()
    add_window(3, table)
    divided = divide(table, 4, lambda _doing: None)
    assert divided is not None
    assert active() == divided.id
    assert (divided.partitions, index_state(divided)) == (4, State.THERE)
    assert rows() == [1, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10]
    assert [row.id for row in VectorSet.objects.filter(model="one")] == [divided.id]


def test_changes_made_during_partitioning_are_kept() -> None:
    table = a_set()

    def change_rows(doing: str) -> None:
        if doing.startswith("Building"):
            Image.objects.bulk_create([an_image(20)])
            Image.objects.filter(pk=uuid.UUID(int=1)).update(embedding=unit(50))
            Image.objects.filter(pk=uuid.UUID(int=2)).delete()

    assert divide(table, 2, change_rows) is not None
    assert rows() == [1, 3, 4, 5, 6, 7, 8, 9, 10, 20]
    changed = ImageVector.objects.get(image_id=uuid.UUID(int=1))
    assert changed.embedding == pytest.approx(unit(50), abs=1e-3)


def test_a_killed_run_is_resumed_by_the_next() -> None:
    table = a_set()

    def killed(doing: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        divide(table, 2, killed)
    assert active() == table.id
    left = VectorSet.objects.get(model="one", is_current=False)
    divided = divide(table, 2, lambda _doing: None)
    assert divided is not None
    assert divided.id == left.id
    assert rows() == list(range(1, 11))


def test_a_leftover_with_another_number_of_partitions_is_dropped() -> None:
    table = a_set()
    left = make_set("one", 512, 8, current=False)
    divided = divide(table, 2, lambda _doing: None)
    assert divided is not None
    assert divided.id != left.id
    assert not VectorSet.objects.filter(pk=left.id).exists()


def test_a_locked_set_is_not_partitioned() -> None:
    table = a_set()
    with locked_elsewhere(f"{table.table}_hnsw"):
        assert divide(table, 2, lambda _doing: None) is None
    assert lock_index(table)
    unlock_index(table)
