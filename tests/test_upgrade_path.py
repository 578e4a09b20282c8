"""A database of every earlier version is upgraded by `migrate` without losing data.

One database goes through all versions: at each step, rows of that version are added.
"""

import hashlib
import unicodedata
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client

from search.embedding import active_model
from search.models import (
    ApiToken,
    Arrival,
    Image,
    ImageWords,
    PictureSet,
    QueryPicture,
    Report,
    SavedSearch,
    Tombstone,
)
from search.monitoring.upgrades import require_migrated
from search.query import SearchQuery
from search.retrieval import find
from tests.base import a_vector

WRITTEN = unicodedata.normalize("NFD", "Zürich, 제주도")
KEPT = unicodedata.normalize("NFC", WRITTEN)


class VersionRows:
    """Adds the rows that a database of one version could have."""

    def __init__(self, apps: Any, version: str) -> None:
        self.apps, self.version = apps, version
        self.number = int(version[:4])

    def add_rows(self, user_id: int) -> None:
        shown, hidden = self.image("shown", user_id), self.image("hidden", user_id, hidden=True)
        self.make("Report", image_id=shown.pk, reason="broken", details=WRITTEN)
        self.make("QueryPicture", id=self.id("query"), embedding=self.vector(), embedding_model="m", rendition=b"webp")
        self.make("OwedDeletion", image_id=self.id("deleted"))
        self.make("PictureSet", id=self.id("set"), images=[shown.pk, hidden.pk], creator_id=user_id)
        self.make("SavedSearch", name=WRITTEN, query=f"q={self.version}", user_id=user_id, token=self.id("saved"))
        self.make("Origin", id=self.id("origin"), address=f"/{self.version}.jpg", image_id=self.id("gone"))
        digest = hashlib.sha256(self.version.encode()).hexdigest()
        self.make("ApiToken", name=WRITTEN, digest=digest, prefix=digest[:10], user_id=user_id)

    def image(self, name: str, user_id: int, **more: Any) -> Any:
        return self.make(
            "Image",
            id=self.id(name),
            embedding=self.vector(),
            embedding_model=active_model(),
            title=f"{WRITTEN} {name} {self.version}",
            description=WRITTEN,
            tags=[WRITTEN, self.version],
            author=WRITTEN,
            licence="CC BY 4.0",
            source_link="https://example.org/",
            uploader_id=user_id,
            format="JPEG",
            width=640,
            height=480,
            byte_size=1000,
            dominant_colour="#ff0000",
            placeholder="data:image/webp;base64,UklGRg==",
            **({"colour": "red"} if self.number >= 2 else {}),
            **more,
        )

    def make(self, model: str, **values: Any) -> Any:
        """Write a row as it is, if this version has such rows; the current fields would normalise it."""
        try:
            table = self.apps.get_model("search", model)
        except LookupError:
            return None
        row = table(**values)
        row.save(force_insert=True)
        if self.number < 9:  # texts were stored unchanged
            texts = {name: value for name, value in values.items() if isinstance(value, str) and WRITTEN in value}
            columns = ", ".join(f"{name} = %s" for name in texts)
            with connection.cursor() as cursor:
                if texts:
                    key = f"{table._meta.pk.column} = %s"
                    cursor.execute(
                        f"UPDATE {table._meta.db_table} SET {columns} WHERE {key}", [*texts.values(), row.pk]
                    )
                if "tags" in values:
                    cursor.execute("UPDATE search_image SET tags = %s WHERE id = %s", [values["tags"], row.pk])
        return row

    def id(self, name: str) -> uuid.UUID:
        return uuid.uuid5(uuid.NAMESPACE_URL, f"{self.version}/{name}")

    def vector(self) -> Any:
        return a_vector(self.number)


@pytest.fixture
def empty_database(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A database without tables, in place of the test database."""
    usual = connection.settings_dict["NAME"]
    name = f"{usual}_upgraded"
    with django_db_blocker.unblock():
        where = connection.get_connection_params() | {"dbname": "postgres", "autocommit": True}
        connection.close()
        with psycopg.connect(**where) as server:
            server.execute(f"DROP DATABASE IF EXISTS {name}")
            server.execute(f"CREATE DATABASE {name}")
        connection.settings_dict["NAME"] = name
        try:
            yield
        finally:
            connection.close()
            connection.settings_dict["NAME"] = usual
            with psycopg.connect(**where) as server:
                server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def upgraded_versions(empty_database: None) -> list[VersionRows]:
    """Of each version in turn; after each, the database was migrated to the next, and finally to the latest."""
    executor = MigrationExecutor(connection)
    others = [node for node in executor.loader.graph.leaf_nodes() if node[0] != "search"]
    executor.migrate(others)
    user_id = User.objects.create_user("alice", password="alice's secret").pk
    versions = sorted(name for app, name in executor.loader.disk_migrations if app == "search")
    upgraded_versions = []
    for version in versions:
        executor = MigrationExecutor(connection)
        state = executor.migrate([("search", version)])
        upgraded_versions.append(VersionRows(state.apps, version))
        upgraded_versions[-1].add_rows(user_id)
    call_command("migrate", verbosity=0)
    return upgraded_versions


def test_data_of_all_earlier_versions_survives_the_upgrade(upgraded_versions: list[VersionRows]) -> None:
    require_migrated(now=True)
    assert len(upgraded_versions) >= 12
    for one in upgraded_versions:
        shown, hidden = Image.objects.get(pk=one.id("shown")), Image.objects.get(pk=one.id("hidden"))
        assert (hidden.hidden, shown.hidden) == (True, False)
        for image, name in ((shown, "shown"), (hidden, "hidden")):
            assert image.title == f"{KEPT} {name} {one.version}"
            assert (image.description, image.author, image.tags) == (KEPT, KEPT, [KEPT, one.version])
            assert (image.colour, image.orientation, image.described) == ("red", "landscape", True)
            assert np.allclose(image.embedding, one.vector(), atol=1e-3)
            assert image.uploader
            assert image.uploader.username == "alice"
            assert ImageWords.objects.filter(pk=image.pk).exists()
        assert Arrival.objects.filter(pk=shown.pk).exists()
        assert not Arrival.objects.filter(pk=hidden.pk).exists()
        assert Report.objects.get(image=shown).details == KEPT
        assert QueryPicture.objects.filter(pk=one.id("query")).exists()
    for one in [each for each in upgraded_versions if each.number >= 4]:
        assert PictureSet.objects.get(pk=one.id("set")).images == [one.id("shown"), one.id("hidden")]
        saved = SavedSearch.objects.get(token=one.id("saved"))
        assert saved.name == KEPT
        assert ApiToken.objects.filter(digest=hashlib.sha256(one.version.encode()).hexdigest()).exists()
    # Deleted before deletions were recorded.
    met = {one.id("gone") for one in upgraded_versions if 7 <= one.number < 12}
    assert met <= set(Tombstone.objects.values_list("pk", flat=True))

    # And it can be searched.
    pages = [find(SearchQuery.from_params({"q": [f'"{KEPT}"'], "page": [str(number)]})) for number in (1, 2)]
    assert {image.pk for page in pages for image in page.images} == {one.id("shown") for one in upgraded_versions}
    newest = find(SearchQuery.from_params({"tag": [upgraded_versions[0].version]})).images
    assert [image.pk for image in newest] == [upgraded_versions[0].id("shown")]
    client = Client()
    assert client.login(username="alice", password="alice's secret")
    for path in (
        "/",
        f"/images/{upgraded_versions[0].id('shown')}/",
        "/saved/",
        f"/search?like={upgraded_versions[3].id('shown')}",
    ):
        assert client.get(path).status_code == 200
