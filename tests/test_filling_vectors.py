"""Migration 0017 copies the vectors of images to tables of their own; if killed, it resumes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection

from search.embedding import active_model
from search.indexing import index_building
from search.indexing.index_building import State
from search.models import Image, ImageVector, VectorSet
from search.models.vector_sets import VectorTable, current_set, forget_sets
from tests.base import active_set, many_images

pytestmark = pytest.mark.django_db(transaction=True)
migration = import_module("search.migrations.0017_fill_the_vectors")
OTHER = "another model"


@pytest.fixture(autouse=True)
def _sets_afterwards() -> Iterator[None]:
    yield
    index_building.build_index(active_set())
    drop_set(OTHER)


def drop_set(model: str) -> None:
    for number in VectorSet.objects.filter(model=model).values_list("pk", flat=True):
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE search_imagevector_s{number}")
        VectorSet.objects.filter(pk=number).delete()
    forget_sets()


def as_before(count: int, *, others: int = 0) -> None:
    """Images as an earlier version stored them: only with the column of vectors."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE search_image DISABLE TRIGGER USER")
        images = many_images(count)
        Image.objects.filter(pk__in=[image.pk for image in images[:others]]).update(embedding_model=OTHER)
        cursor.execute("ALTER TABLE search_image ENABLE TRIGGER USER")


def fill() -> int:
    """Fill the tables; return the number of rows copied."""
    copied = []
    original = migration._Set._copied

    def counted(self: Any, statement: str, values: Any) -> int:
        copied.append(original(self, statement, values))
        return int(copied[-1])

    migration._Set._copied = counted
    try:
        with connection.schema_editor(atomic=False) as editor:
            migration.fill(None, editor)
    finally:
        migration._Set._copied = original
    return sum(copied)


def set_of(model: str) -> VectorTable:
    table = current_set(model)
    assert table
    return table


def rows(model: str) -> int:
    return ImageVector.objects.filter(set__model=model, window_index=0).count()


def test_vectors_of_every_model_are_copied_and_indexed(capfd: pytest.CaptureFixture[str]) -> None:
    as_before(60, others=20)

    assert fill() == 60
    assert (rows(active_model()), rows(OTHER)) == (40, 20)
    for model in (active_model(), OTHER):
        assert index_building.index_state(set_of(model)) is State.THERE
    image = Image.objects.filter(embedding_model=OTHER).first()
    assert image
    row = ImageVector.objects.get(image=image)
    assert list(row.embedding) == list(image.embedding)

    assert fill() == 0  # a second run has nothing to do
    assert capfd.readouterr().err == ""


KILLED = """
import importlib, os, signal, django
django.setup()
from django.db import connection
migration = importlib.import_module("search.migrations.0017_fill_the_vectors")
migration.PAGES = 1
def killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)
calls = []
def after(count, name):
    original = getattr(migration._Set, name)
    def step(self, *values):
        calls.append(name)
        if len(calls) > count:
            killed()
        return original(self, *values)
    setattr(migration._Set, name, step)
{moment}
with connection.schema_editor(atomic=False) as editor:
    migration.fill(None, editor)
"""


@pytest.mark.parametrize(
    ("moment", "others", "copied"),
    [
        ("after(3, '_copied')", 0, range(3, 40)),
        ("after(0, 'index')", 20, range(20, 21)),  # of the other model, which comes first
        ("after(1, 'index')", 20, range(60, 61)),
    ],
)
def test_a_killed_migration_resumes_where_it_stopped(moment: str, others: int, copied: range) -> None:
    as_before(60, others=others)
    killed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED.format(moment=moment)],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.killed_settings",
            "TEST_DATABASE": django_settings.DATABASES["default"]["NAME"],
            "TEST_MEDIA": "",
        },
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    there = ImageVector.objects.count()
    assert there in copied

    assert fill() == 60 - there
    assert ImageVector.objects.count() == 60
    assert index_building.index_state(active_set()) is State.THERE


def test_vectors_added_by_the_new_version_are_left_unchanged() -> None:
    as_before(30)
    changed = many_images(10, seed=6)  # stored by the new version
    assert fill() == 30
    assert rows(active_model()) == 40
    assert changed


def test_a_long_migration_prints_an_estimate_and_its_progress(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(migration, "TOLD_FROM", 10)
    monkeypatch.setattr(migration, "EACH", 0.0)
    monkeypatch.setattr(migration, "INDEXED", 60.0)
    as_before(30)
    fill()
    told = capfd.readouterr().err
    assert "30 vectors are copied to tables of their own and 30 indexed: about " in told
    assert "next `migrate` goes on" in told
    assert "30 of 30 vectors copied" in told


def test_a_new_database_has_no_vectors_to_copy(capfd: pytest.CaptureFixture[str]) -> None:
    assert fill() == 0
    assert capfd.readouterr().err == ""
