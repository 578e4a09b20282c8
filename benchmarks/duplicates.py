"""`manage.py find_duplicates` over a whole collection: time and processor time.

`python -m benchmarks.duplicates PHOTOS [--rows 100000] [--jobs 2]`, with its own embedded database. PHOTOS is a folder
of photos, whose thumbnails are used in turn. Every tenth picture is a copy of the one before it. The others have
vectors like those of photos, 0.75 between nearest neighbours, and hashes as similar as those of photos: 9 of 100 pairs
of neighbours differ in at most 24 bits, where 7 were measured.
"""

import argparse
import os
import uuid
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.edits_worker import KINDS, Worker, processor_time, vectors
from benchmarks.report import table
from benchmarks.separate_process import apart

_COPIES = 10
_REDRAWN = 0.75
"""Share of a neighbour's bits that are random."""
_AT_ONCE = 5_000
_SHOWN = 1_000


def _thumbnails(folder: Path) -> list[bytes]:
    from PIL import Image  # noqa: PLC0415

    from search.imaging.thumbnails import thumbnail  # noqa: PLC0415

    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"})
    return [thumbnail(Image.open(BytesIO(path.read_bytes())).convert("RGB"), 400) for path in files[:_SHOWN]]


def _hashes(rows: int) -> Any:
    """Return 64 bits a row, signed. The clusters are those of the vectors: `vectors` draws them first."""
    rng = np.random.default_rng(2)
    of_kinds = rng.random((KINDS, 64)) < 0.5
    kinds = np.concatenate([
        np.random.default_rng(start).integers(KINDS, size=min(_AT_ONCE, rows - start))
        for start in range(0, rows, _AT_ONCE)
    ])  # fmt: skip
    own = rng.random((rows, 64)) < 0.5
    bits = np.where(rng.random((rows, 64)) < _REDRAWN, own, of_kinds[kinds])
    bits[1::_COPIES] = bits[::_COPIES][: len(bits[1::_COPIES])]
    bits[1::_COPIES, :2] ^= True
    return np.packbits(bits, axis=1).view(">i8").astype(np.int64).ravel()


class _Copies(Worker):
    """A collection whose every tenth picture is a copy of the one before it."""

    @staticmethod
    def vectors(count: int, seed: int) -> Any:
        made = vectors(count, seed)
        copies = made[1::_COPIES]
        copies[:] = made[::_COPIES][: len(copies)]
        copies += np.random.default_rng(seed).normal(0, 0.01, copies.shape)
        copies /= np.linalg.norm(copies, axis=1, keepdims=True)
        return made


def fill(rows: int, photos: Path) -> dict[str, Any]:
    """Make a collection of `rows` pictures, each with a thumbnail and a hash."""
    from django.core.files.storage import default_storage  # noqa: PLC0415

    from search.ingestion.fingerprints_of_changed_files import write_fingerprints  # noqa: PLC0415
    from search.objects import storage  # noqa: PLC0415

    filled = _Copies().fill(rows)
    thumbnails = _thumbnails(photos)
    hashes = _hashes(rows).tolist()
    ids = [uuid.uuid5(uuid.NAMESPACE_OID, str(number)) for number in range(rows)]
    first: dict[int, Path] = {}
    for number, image_id in enumerate(ids):
        shown = (number - (number % _COPIES == 1)) % len(thumbnails)
        key = storage.rendition_key(image_id, storage.THUMBNAIL)
        place = Path(default_storage.path(key))
        if shown not in first:
            storage.put(key, thumbnails[shown], "image/webp")
            first[shown] = place
        else:  # a hundred thousand synced files take half an hour
            place.parent.mkdir(parents=True, exist_ok=True)
            place.hardlink_to(first[shown])
    for start in range(0, rows, _AT_ONCE):
        write_fingerprints(dict(zip(ids[start : start + _AT_ONCE], hashes[start : start + _AT_ONCE], strict=True)))
    _Copies().sql("VACUUM ANALYZE")
    return filled


def find(jobs: int) -> dict[str, Any]:
    """Compare all pictures; return the time, the processor time of all processes, and the output."""
    import time  # noqa: PLC0415
    from io import StringIO  # noqa: PLC0415

    import psutil  # noqa: PLC0415
    from django.conf import settings  # noqa: PLC0415
    from django.core.management import call_command  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    settings.IS_COMMAND = True  # else decoders would be stopped as on the site, where one is kept

    def used() -> float:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('data_directory')")
            [(folder,)] = cursor.fetchall()
        server = int(Path(folder, "postmaster.pid").read_text().split()[0])
        processes = [*psutil.Process(server).children(), psutil.Process(server)]
        times = [processor_time(one.pid) for one in processes] + [_reaped(server)]
        own = os.times()
        children = psutil.Process().children(recursive=True)
        return sum(times) + sum(own[:4]) + sum(processor_time(one.pid) for one in children if one not in processes)

    said = StringIO()
    started, before = time.perf_counter(), used()
    call_command("find_duplicates", "--jobs", str(jobs), stdout=said)
    return {"seconds": time.perf_counter() - started, "processor": used() - before, "said": said.getvalue().strip()}


def _reaped(pid: int) -> float:
    """Seconds of processor time of the ended children of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def work(rows: int, photos: str, jobs: int) -> dict[str, Any]:
    """Make the collection, and compare all of it."""
    fill(rows, Path(photos))
    return find(jobs)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.duplicates", description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    found = apart("duplicates", options.rows, str(options.photos), options.jobs)
    print(found["said"])
    header = ["pictures", "jobs", "seconds", "processor s", "processor ms a picture"]
    row = [f"{options.rows:,}", str(options.jobs), f"{found['seconds']:.0f}", f"{found['processor']:.0f}"]
    print(table(header, [[*row, f"{found['processor'] / options.rows * 1000:.1f}"]]))


if __name__ == "__main__":
    main()
