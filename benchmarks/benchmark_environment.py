"""The benchmark's environment: temporary settings, database and storage, and rows to search."""

import atexit
import os
import random
import secrets
import shutil
import signal
import sys
import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.random_models import picture_model, text_model, words
from benchmarks.vectors import DIMENSIONS, KINDS, picture_like
from imagesearch.environment import read_env_file, text

BASE = Path(__file__).resolve().parent.parent
FILLER = "Filler"
"""Title of the rows to search; ingested rows have none."""

TAGS = {"half": 2, "tenth": 10, "hundredth": 100, "thousandth": 1000}
"""Tags that every n-th row has."""

_AT_ONCE = 5_000


@dataclass(frozen=True)
class World:
    """Folders: `cache` is kept for the next run, `data` is this run's `var/`."""

    cache: Path
    data: Path
    picture_model: Path
    text_model: Path


def make_world() -> World:
    """Point the settings, not loaded yet, at a temporary database and folders."""
    read_env_file(BASE / ".env")
    cache = Path(text("DATA_DIR", str(BASE / "var"))).resolve() / "benchmarks"
    cache.mkdir(parents=True, exist_ok=True)
    data = Path(tempfile.mkdtemp(prefix="run-", dir=cache))
    # Compiled models are kept for the next run, too.
    (cache / "compiled").mkdir(exist_ok=True)
    (data / "models").symlink_to(cache / "compiled")
    # Registered before the embedded database's exit handler, and so called after it.
    atexit.register(shutil.rmtree, data, ignore_errors=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    world = World(cache, data, picture_model(cache), text_model(cache))
    os.environ |= {
        **dict.fromkeys(["DATABASE_URL", "AWS_STORAGE_BUCKET_NAME", "AWS_S3_ENDPOINT_URL", "S3_PUBLIC_BASE_URL"], ""),
        "DJANGO_SETTINGS_MODULE": "imagesearch.settings",
        "DATA_DIR": str(data),
        "EMBEDDING_IMAGE_MODEL": str(world.picture_model),
        "EMBEDDING_TEXT_MODEL": str(world.text_model),
        "HF_HUB_OFFLINE": "1",
        # As in production, where templates are cached and queries are not recorded.
        "DEBUG": "off",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ALLOWED_HOSTS": "127.0.0.1",
        "HTTPS": "off",
        "LANGUAGE_CODE": "en",
        "WEB_CONCURRENCY": "1",
    }
    return world


def start() -> None:
    """Set Django up on an empty database with all tables, and the static files of the pages."""
    import django  # noqa: PLC0415 - after make_world
    from django.core.management import call_command  # noqa: PLC0415

    django.setup()
    call_command("migrate", verbosity=0)
    call_command("compile_models", stdout=sys.stderr)
    call_command("collectstatic", verbosity=0, interactive=False)


def queries(count: int, seed: int) -> list[str]:
    """Different queries of four to eight word pieces, disjoint from those of other seeds."""
    rng = random.Random(seed)
    known = list(words())
    return [" ".join([*rng.sample(known, rng.randint(3, 7)), f"{seed}"]) for _ in range(count)]


def fill_up_to(count: int, photos: Sequence[Path]) -> None:
    """Bring the collection to `count` rows, index built, with the placeholders of `photos`."""
    from django.db import connection  # noqa: PLC0415 - after make_world

    from search.embedding import active_model  # noqa: PLC0415
    from search.models import Image  # noqa: PLC0415
    from search.models.hnsw import indexing  # noqa: PLC0415
    from search.models.vector_sets import current_set, index_name  # noqa: PLC0415

    there = Image.objects.count()
    with connection.cursor() as cursor:
        cursor.execute("SELECT make_vector_set(%s, %s)", [active_model(), DIMENSIONS])
    table = current_set(active_model())
    assert table
    with connection.cursor() as cursor:
        for leaf in table.leaves:
            cursor.execute(f"DROP INDEX {index_name(leaf)}")
    _copy_rows(count - there, first=there, placeholders=_placeholders(photos))
    with connection.cursor() as cursor:
        # Enough for the whole index.
        cursor.execute(f"SET maintenance_work_mem = '{max(64, count // 500)}MB'")
        for leaf in table.leaves:
            cursor.execute(indexing.create_sql(leaf, table.dimensions, index_name(leaf)))
        # Nine of ten have a date taken within twenty years, more and more of them.
        cursor.execute(
            "INSERT INTO search_capture (image_id, reader, taken, taken_from, camera)"
            " SELECT id, 1, timestamp '2001-01-01' + interval '20 years'"
            " * sqrt(abs(hashtext(id::text)) / 2147483648.0),"
            " 'camera', 'Camera ' || abs(hashtext(id::text)) % 12 FROM search_image"
            " WHERE abs(hashtext(id::text)) % 10 > 0 ON CONFLICT DO NOTHING"
        )
        cursor.execute("VACUUM ANALYZE search_image, search_imagewords, search_imagevector, search_capture")


def _placeholders(photos: Sequence[Path]) -> list[str]:
    from search.imaging import placeholder, read_picture  # noqa: PLC0415 - after make_world

    pictures = (read_picture(path, max_pixels=10**7, at_least=448).picture for path in islice(photos, 16))
    return [placeholder(picture) for picture in pictures]


def _copy_rows(count: int, *, first: int, placeholders: Sequence[str]) -> None:
    from django.db import connection  # noqa: PLC0415 - after make_world

    vectors = chain.from_iterable(picture_like(count, seed=first))
    for start in range(first, first + count, _AT_ONCE):
        rows = [_row(number, vector, placeholders) for number, vector in enumerate(islice(vectors, _AT_ONCE), start)]
        names = ", ".join(rows[0])
        with connection.cursor() as cursor, cursor.copy(f"COPY search_image ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(list(row.values()))


def _row(number: int, vector: npt.NDArray[np.float32], placeholders: Sequence[str]) -> dict[str, Any]:
    from search.embedding import active_model  # noqa: PLC0415 - after make_world
    from search.imaging import PALETTE, palette_colour  # noqa: PLC0415

    colour = list(PALETTE.values())[number * 7 % len(PALETTE)]
    return {
        "id": uuid.uuid5(uuid.NAMESPACE_OID, str(number)),
        "embedding": "[" + ",".join(["%.5f"] * len(vector)) % tuple(vector.tolist()) + "]",
        "embedding_model": active_model(),
        "title": FILLER,
        "description": "What somebody wrote about this picture, in a sentence or two of usual length. " * 2,
        "source_link": f"https://pictures.example.org/{number}",
        "author": "Somebody",
        "licence": "CC BY 4.0",
        "tags": ["filler", f"kind {number % KINDS}", *(tag for tag, each in TAGS.items() if number % each == 0)],
        "hidden": False,
        "format": ("JPEG", "JPEG", "JPEG", "WEBP", "PNG")[number % 5],
        "width": (1600, 1200, 4000, 800)[number % 4],
        "height": (1200, 1600, 3000, 800)[number % 4],
        "byte_size": 400_000,
        "dominant_colour": colour,
        "colour": palette_colour(colour),
        "placeholder": placeholders[number % len(placeholders)],
    }


def database_version() -> str:
    from django.db import connection  # noqa: PLC0415 - after make_world

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('server_version'), extversion FROM pg_extension WHERE extname = 'vector'"
        )
        server, vectors = cursor.fetchone()
    return f"PostgreSQL {server.split()[0]}, pgvector {vectors}"
