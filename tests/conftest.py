"""Every test runs against the embedded PostgreSQL, a media folder of its own and the small demo model."""

import fcntl
import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.db import OperationalError, connection, transaction
from django.test import Client, TransactionTestCase, override_settings
from xdist.scheduler import LoadFileScheduling

from search import demo
from search.completion.spelling import lexicon
from search.completion.suggestions import vocabulary, with_places
from search.concurrency import background_threads, command_processes, timeouts
from search.concurrency.timeouts import gate
from search.decoding import decoder_pool
from search.embedding import active_model, forget_models, loading
from search.embedding.compiled_store import is_decided
from search.models.active_pair import forget_choice
from search.models.vector_sets import forget_sets
from search.monitoring import upgrades
from search.query import collection_cache
from search.query.tag_names import forget_names
from search.retrieval.candidate_cache import forget_candidates
from tests.coverage import look_seldom
from tests.database import empty_tables, migrated_database, own_server, wait_for_no_disk
from tests.s3_servers import Rclone

# If the tests run as a background job of a shell, processes that they start would ignore Ctrl-C too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Processes that tests start compile no models, as none of them lives long.
os.environ["COMPILE_MODELS"] = "off"

# Nothing of a test must survive a power failure.
os.fsync = lambda number: None  # type: ignore[assignment]

MODELS = django_settings.DATA_DIR / "models"
os.environ["TEST_MODELS"] = str(MODELS)  # for tests.killed_settings: compiled models need no torch

look_seldom()

collection_cache.FEW = 2**62  # the arrival numbers grow from test to test, and don't say how many images there are

# Tests ingest in a process that counts as a web process, and would start decoders for each batch.
USUAL_IDLE_ON_SITE, decoder_pool.IDLE_ON_SITE = decoder_pool.IDLE_ON_SITE, 4
decoder_pool.IDLE = 120.0

# Objects of tests are seldom in cycles: to look for these after each 700 new ones took a tenth of the time.
gc.set_threshold(10_000, 10, 10)

forget_choice(look=False)  # fixtures of the session use models before there is a database


def _compiled() -> set[Path]:
    return set(MODELS.glob("*/*/verdict.json"))


def _compile(models: dict[str, str]) -> None:
    """In a separate process: compiling needs torch, and most tests do without it."""
    script = (
        "import django; django.setup()\n"
        "from search.embedding import compile_pictures, compile_texts; compile_texts(); compile_pictures()"
    )
    environment = {**os.environ, **models, "DJANGO_SETTINGS_MODULE": "imagesearch.settings"}
    subprocess.run([sys.executable, "-c", script], cwd=django_settings.BASE_DIR, env=environment, check=True)


@pytest.fixture(scope="session", autouse=True)
def _compiled_models() -> set[Path]:
    """The models are compiled once, and kept for the next run."""
    models = {"EMBEDDING_IMAGE_MODEL": str(demo.IMAGE_MODEL), "EMBEDDING_TEXT_MODEL": str(demo.TEXT_MODEL)}
    MODELS.mkdir(parents=True, exist_ok=True)
    with override_settings(MODELS_DIR=MODELS, **models), (MODELS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several processes of tests, only one imports torch for this
        if not is_decided():
            _compile(models)
    return _compiled()


@pytest.fixture(scope="session", autouse=True)
def _own_settings() -> Iterator[None]:
    """Keep the configuration of this machine out of the tests.

    Once a session, as each overridden setting is sent to all receivers of `setting_changed`, when it is set and reset.
    """
    own = override_settings(
        EMBEDDING_IMAGE_MODEL=str(demo.IMAGE_MODEL),
        EMBEDDING_TEXT_MODEL=str(demo.TEXT_MODEL),
        MODELS_DIR=MODELS,
        COMPILE_MODELS=True,
        STORAGE_WAIT=60,
        S3_PUBLIC_BASE_URL="",
        STORAGES={
            "default": {"BACKEND": "search.objects.storage.LocalStorage"},
            "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
        },
        ALLOWED_HOSTS=["testserver", "localhost", "127.0.0.1"],
        SITE_NAME="",
        LANGUAGE_CODE="en",
        SHOW_PLACES="curators",
        SHOW_MAP="curators",
        CALIBRATE_AFTER_UPLOADS=False,
        LIMITS={},  # tests of a limit switch it on
        TRUSTED_PROXIES=(),
        SITE_ACCESS="public",
        SIGN_UP="on",
        SENDS_MAIL=False,
        REQUIRE_SECOND_FACTOR=False,
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    )
    own.enable()
    yield
    own.disable()


class _KeptForGood:
    """Objects that one test file leaves behind (modules, templates, URL patterns) are frozen: to scan all of them
    whenever a model is unloaded took up to a second each time."""

    since = ""

    @classmethod
    def from_file(cls, name: str) -> None:
        if name == cls.since:
            return
        if loading.names_in_use():
            forget_models()  # and collect garbage: torch models are in cycles, which are never collected once frozen
        else:
            gc.collect()
        gc.freeze()
        cls.since = name


def wait_for_models() -> None:
    """Wait for models that a test loads in the background: a slow load would read the settings of the next test."""
    for thread in threading.enumerate():
        if thread.name == "model-loading":
            thread.join(60)


@pytest.fixture(autouse=True)
def _own_world(
    request: pytest.FixtureRequest,
    settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    _compiled_models: set[Path],
) -> Iterator[None]:
    """Isolate the tests from each other."""
    _KeptForGood.from_file(request.node.path.name)
    settings.DATA_DIR = tmp_path / "var"
    settings.MEDIA_ROOT = tmp_path / "media"
    monkeypatch.setattr(loading, "compile_in_background", lambda *model: None)
    # A test that deletes something finds it gone, on a slow machine too.
    monkeypatch.setattr(background_threads, "WAITED_FOR", 60.0)
    # A command that the admin starts would work on the database of the developer.
    monkeypatch.setattr(command_processes, "start_command", lambda *command: None)
    # A slow machine does not make the storage time out: tests of that set their own timeouts.
    monkeypatch.setattr(timeouts, "TURN", 60.0)
    monkeypatch.setattr(timeouts, "STILL", 60.0)
    # The test database is of this version, and tests without a database can't query it.
    monkeypatch.setattr(upgrades, "_fits_until", float("inf"))
    cache.clear()
    forget_candidates()
    vocabulary.forget()
    with_places.forget()
    lexicon.forget()
    forget_names()
    forget_sets()
    forget_choice(look=False)  # nothing was chosen, and tests without a database can't query it
    gate.cache_clear()  # a storage failure of one test does not close the gate of the next
    yield
    wait_for_models()
    cache.clear()
    # A test that compiles another model would replace these for all later tests.
    assert _compiled() == _compiled_models, "The compiled models of all tests have changed."


NEED_TORCH = {
    "test_clip_folders.py", "test_compiling.py", "test_dimensions.py", "test_missing_models.py",
    "test_model_kinds.py", "test_model_loading.py", "test_text_is_never_fetched.py",
}  # fmt: skip
"""Files of tests that load models by torch. To import it takes 4 s of processor time and 300 MB."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    """The longest files first, so that no worker is left alone with one at the end; before them the file that measures
    how fast servers stop, while little else runs."""
    file = item.path
    if file.name == "test_stopping.py":
        return 0
    if file.parent.name == "browser":
        return 1
    return 2 if file.name in NEED_TORCH else 3


class TorchInOneProcess(LoadFileScheduling):
    """Runs each file of tests in one process, and all that need torch in the same one."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "torch" if Path(file).name in NEED_TORCH else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    return TorchInOneProcess(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, django_db_blocker: Any, django_db_keepdb: bool
) -> None:
    # Pooled connections would block the removal of the test database.
    django_settings.DATABASES["default"]["OPTIONS"].pop("pool", None)
    # Otherwise each thread of the live server would open a connection for each of the hundred requests of a page.
    django_settings.DATABASES["default"]["CONN_MAX_AGE"] = None
    TransactionTestCase._fixture_teardown = empty_tables
    with own_server() as direct:
        if direct:
            wait_for_no_disk(direct)
            if not django_db_keepdb:  # one of its own is there, and migrated in a second where code has changed
                with django_db_blocker.unblock():
                    connection.settings_dict["TEST"]["TEMPLATE"] = migrated_database(direct)


@pytest.fixture(autouse=True, scope="module")
def index_without_dead_rows(django_db_blocker: Any) -> Iterator[None]:
    """Empties the index of vectors after each file: rows that tests rolled back stay in it until a vacuum, and a scan
    may end among thousands of them, since many tests use the same vectors, before it finds any other."""
    yield
    if not connection.settings_dict["NAME"].startswith("test_"):
        return  # no test has used the database
    with django_db_blocker.unblock(), suppress(OperationalError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '2s'")  # it may be in use by a thread that is about to end
        cursor.execute("TRUNCATE search_imagevector")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Create the vector table of the small model, which any collection with images has."""
    if not connection.settings_dict["NAME"].startswith("test_"):
        return  # none of the selected tests uses the database
    with override_settings(EMBEDDING_IMAGE_MODEL=str(demo.IMAGE_MODEL)):
        model = active_model()
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("SELECT make_vector_set(%s, 512)", [model])


@pytest.fixture
def alice(db) -> User:
    """A user with an account and no permissions."""
    return User.objects.create_user("alice", password="alice's secret")


@pytest.fixture
def carol(db) -> User:
    """A curator: staff, with every permission over the collection."""
    carol = User.objects.create_user("carol", password="carol's secret", is_staff=True)
    carol.user_permissions.set(Permission.objects.filter(content_type__app_label="search"))
    return carol


@pytest.fixture
def as_alice(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


@pytest.fixture
def as_carol(carol: User) -> Client:
    client = Client()
    client.force_login(carol)
    return client


@pytest.fixture
def database_down(transactional_db: None) -> Iterator[None]:
    """The database does not answer; its rows are still there afterwards."""
    where = connection.settings_dict["HOST"]
    connection.close()
    connection.settings_dict["HOST"] = "/nowhere"
    yield
    connection.close()
    connection.settings_dict["HOST"] = where


@pytest.fixture
def no_model(settings, tmp_path: Path) -> Iterator[Path]:
    """Both models are empty folders, which can't be loaded."""
    folder = tmp_path / "no-model"
    folder.mkdir()
    settings.EMBEDDING_IMAGE_MODEL = settings.EMBEDDING_TEXT_MODEL = str(folder)
    forget_models()
    yield folder
    wait_for_models()
    forget_models()


@pytest.fixture(scope="module")
def running_rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rclone]:
    """A real S3 server, for all tests of a file."""
    server = Rclone(tmp_path_factory.mktemp("rclone"))
    server.start()
    yield server
    server.kill()
