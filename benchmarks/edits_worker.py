"""One build of this project in its own process: fills a database and edits it, by commands on stdin.

`edits_worker.py FOLDER DATA` runs the code in FOLDER on the embedded database below DATA. It answers each line of JSON
with one. It may use only parts of that code that old builds have too.
"""

import contextlib
import json
import os
import sys
import time
import uuid
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

WORDS = ("harbour", "boats", "evening", "garden", "house", "bridge", "winter", "market", "street", "mountain")
KINDS = 500
PARTS, BLOCK = 10, 200
"""Rows are in tenths, each in runs that fill whole pages: an edit of one leaves no room for another."""
_AT_ONCE = 5_000


def vectors(count: int, seed: int) -> Any:
    """Clustered unit vectors in one half of the sphere, like CLIP's."""
    rng = np.random.default_rng(seed)

    def directions(number: int, of: np.random.Generator) -> Any:
        some = of.standard_normal((number, 512), dtype=np.float32)
        return some / np.linalg.norm(some, axis=1, keepdims=True)

    side = 0.7 * directions(1, np.random.default_rng(0))
    centres = 0.5 * directions(KINDS, np.random.default_rng(1))
    found = side + centres[rng.integers(KINDS, size=count)] + np.float32(0.5) * directions(count, rng)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def processor_time(pid: int) -> float:
    """Seconds of processor time that another process of this machine has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Worker:
    vectors = staticmethod(vectors)

    def __init__(self) -> None:
        from django.db import connection  # noqa: PLC0415 - after django.setup()

        from search.models import Image  # noqa: PLC0415

        self.connection, self.images = connection, Image.objects
        self.model = Image
        self.client: Any = None

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def fill(self, rows: int) -> dict[str, Any]:
        """Bring the collection to `rows` rows, with all indexes built."""
        from search.embedding import active_model  # noqa: PLC0415

        made = "SELECT indexname, indexdef FROM pg_indexes WHERE indexdef LIKE '%%USING hnsw%%' AND %s <> ''"
        there = self.images.count()
        if there == 0:  # creates the vector tables, if this build has any
            self.copy(0, 1, active_model())
            there = 1
        indexes = self.sql(made, "all")
        for name, _ in indexes:
            self.sql(f'DROP INDEX "{name}"')
        for start in range(there, rows, _AT_ONCE):
            self.copy(start, min(_AT_ONCE, rows - start), active_model())
        self.sql("SET maintenance_work_mem = '1GB'")
        for _, definition in indexes:
            self.sql(definition)
        self.sql("VACUUM ANALYZE")
        return {"rows": self.images.count()}

    def copy(self, start: int, count: int, model: str) -> None:
        fields = (
            "id, created, embedding, embedding_model, title, description, source_link, author, licence, tags, "
            "hidden, format, width, height, byte_size, dominant_colour, colour, placeholder"
        )
        with self.connection.cursor() as cursor, cursor.copy(f"COPY search_image ({fields}) FROM STDIN") as copy:
            for number, vector in enumerate(self.vectors(count, start), start):
                words = [WORDS[number * step % len(WORDS)] for step in (1, 3, 7)]
                copy.write_row([
                    uuid.uuid5(uuid.NAMESPACE_OID, str(number)),
                    f"2026-01-{number // BLOCK % PARTS + 1:02}T12:00Z",
                    "[" + ",".join(["%.5f"] * 512) % tuple(vector.tolist()) + "]",
                    model,
                    f"{words[0]} {words[1]} {number}",
                    "What somebody wrote about this picture, in a sentence or two of usual length. " * 2,
                    f"https://pictures.example.org/{number}",
                    "Somebody",
                    "CC BY 4.0",
                    ["filler", f"kind {number % KINDS}", *words],
                    False,
                    "JPEG",
                    (1600, 1200, 4000, 800)[number % 4],
                    (1200, 1600, 3000, 800)[number % 4],
                    400_000,
                    "#336699",
                    "blue",
                    "data:image/webp;base64," + "UklGRg" * 60,
                ])  # fmt: skip

    def chosen(self, round_: int) -> Any:
        """A tenth of the rows, spread over the whole table, different in each of ten rounds."""
        day = f"2026-01-{round_ % 10 + 1:02}"
        return self.images.filter(created__gte=f"{day}T00:00Z", created__lt=f"{day}T23:00Z")

    def edit(self, what: str, round_: int) -> dict[str, Any]:
        """Edit a tenth of the rows; return the time, and the growth of the vector indexes."""
        edit: Callable[[Any, int], object] = getattr(self, f"_{what}")
        chosen = self.chosen(round_)
        if what.startswith("admin"):
            self.sign_in()
        [(backend,)] = self.sql("SELECT pg_backend_pid()")
        before, hot = self.index_bytes(), self.in_place()
        started, used = time.perf_counter(), time.process_time() + processor_time(backend)
        done = edit(chosen, round_)
        seconds, used = time.perf_counter() - started, time.process_time() + processor_time(backend) - used
        grown, hot = self.index_bytes() - before, self.in_place() - hot
        return {"seconds": seconds, "processor": used, "grown": grown, "in_place": hot, "done": done}

    def in_place(self) -> int:
        """Return the number of updates of images that stayed on their page (HOT): those write no index."""
        self.sql("SELECT pg_stat_force_next_flush()")
        [(count,)] = self.sql("SELECT pg_stat_get_tuples_hot_updated('search_image'::regclass)")
        return int(count)

    def index_bytes(self) -> int:
        [(size,)] = self.sql(
            "SELECT coalesce(sum(pg_relation_size(format('%%I', indexname)::regclass)), 0) FROM pg_indexes "
            "WHERE indexdef LIKE '%%USING hnsw%%' AND %s <> ''", "all",
        )  # fmt: skip
        return int(size)

    def _tag(self, rows: Any, round_: int) -> object:
        return rows.update(tags=["filler", f"round {round_}"])

    def _title(self, rows: Any, round_: int) -> object:
        return rows.update(title=f"Boats in the harbour, round {round_}")

    def _licence(self, rows: Any, round_: int) -> object:
        return rows.update(licence=f"Licence {round_}")

    def _hide(self, rows: Any, round_: int) -> object:
        images = list(rows.only("hidden"))
        return len(self.model.hide_all(images, hidden=not images[0].hidden))

    def _admin_tag(self, rows: Any, round_: int) -> object:
        return self._act("add_tags", rows, tags=f"by hand {round_}")

    def _admin_hide(self, rows: Any, round_: int) -> object:
        return self._act("show" if rows[0].hidden else "hide", rows)

    def sign_in(self) -> None:
        """Open the admin's list, so that the cost of a process's first request is not measured."""
        from django.contrib.auth.models import User  # noqa: PLC0415
        from django.test import Client  # noqa: PLC0415

        if self.client is not None:
            return
        with contextlib.suppress(ModuleNotFoundError):  # an old build took 1,000 rows at once
            vars(import_module("search.admin.lists"))["MOST_AT_ONCE"] = 10**9
        curator = User.objects.filter(username="curator").first() or User.objects.create_superuser("curator")
        self.client = Client()
        self.client.force_login(curator)
        self.client.get("/admin/search/image/")

    def _act(self, action: str, rows: Any, **more: str) -> object:
        from django.contrib.messages import get_messages  # noqa: PLC0415

        first = rows.only("created").first()
        day = first.created.date()
        answer = self.client.post(
            f"/admin/search/image/?created__gte={day}T00:00Z&created__lt={day}T23:00Z",
            {"action": action, "_selected_action": str(first.pk), "select_across": "1", "index": "0", **more},
        )
        told = [str(message) for message in get_messages(answer.wsgi_request)]
        return [answer.status_code, *told]


def main(folder: str, data: str) -> None:
    sys.path.insert(0, folder)
    os.chdir(folder)
    os.environ |= {
        **dict.fromkeys(["DATABASE_URL", "AWS_STORAGE_BUCKET_NAME", "AWS_S3_ENDPOINT_URL", "S3_PUBLIC_BASE_URL"], ""),
        "DJANGO_SETTINGS_MODULE": "imagesearch.settings",
        "DATA_DIR": data,
        "EMBEDDING_IMAGE_MODEL": "",
        "EMBEDDING_TEXT_MODEL": "",
        "DEBUG": "on",
        "ALLOWED_HOSTS": "*",
        "LOG_LEVEL": "ERROR",
    }
    import django  # noqa: PLC0415
    from django.conf import settings  # noqa: PLC0415
    from django.core.management import call_command  # noqa: PLC0415

    from search import demo  # noqa: PLC0415

    with contextlib.redirect_stdout(sys.stderr):
        django.setup()
        settings.DEBUG = False  # queries are not recorded
        settings.ALLOWED_HOSTS = ["*"]
        settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = None
        settings.EMBEDDING_IMAGE_MODEL, settings.EMBEDDING_TEXT_MODEL = str(demo.IMAGE_MODEL), str(demo.TEXT_MODEL)
        call_command("migrate", verbosity=0)
    worker = Worker()
    for line in sys.stdin:
        told = json.loads(line)
        with contextlib.redirect_stdout(sys.stderr):
            answer = getattr(worker, told.pop("do"))(**told)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:3])
