"""The cost of reading metadata of photos: at ingestion, and afterwards by `read_metadata`.

`python -m benchmarks.metadata [--count 200] [--rounds 6]`: the same photos of a camera's size, with EXIF, maker notes
and XMP, are ingested with captions, without them and without metadata, and read again afterwards, in turns, with
models of the default size. Processor time is that of this process, the decoders and the database.
"""

import argparse
import os
import random
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from unittest import mock

from benchmarks.photos import Size, photos
from benchmarks.report import table

CAMERA = Size("a camera's", 4000, 3000, 90)
BODIES = 24
"""Different photos; each is in several files with different metadata."""
CAPTIONS, NO_CAPTIONS, NOTHING, AGAIN = "--read-captions", "--no-read-captions", "nothing is read", "read_metadata"
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Turn:
    """Seconds a picture: wall-clock, processor time of this process and its decoders, and of the database."""

    clock: float
    processor: float
    database: float


@dataclass
class Turns:
    done: dict[str, list[Turn]] = field(default_factory=dict)

    def note(self, arm: str, turn: Turn) -> None:
        self.done.setdefault(arm, []).append(turn)

    def times(self, arm: str, other: str) -> list[float]:
        """Processor time of `arm` relative to `other`, round by round, without the database."""
        pairs = zip(self.done[arm], self.done[other], strict=True)
        return [mine.processor / theirs.processor for mine, theirs in pairs]

    def rows(self) -> Iterator[list[str]]:
        for arm, turns in self.done.items():
            clock, processor, database = (
                1000 * median(getattr(turn, name) for turn in turns) for name in ("clock", "processor", "database")
            )
            yield [arm, f"{1000 / clock:,.0f}", f"{processor:.2f}", f"{database:.2f}"]


def measure(paths: Sequence[Path], rounds: int) -> Turns:
    """Ingest and read the photos in turns, in alternating order."""
    from benchmarks.ingestion import forget  # noqa: PLC0415 - after make_world

    turns = Turns()
    arms: list[tuple[str, Callable[[], None]]] = [
        (CAPTIONS, lambda: _ingest(paths)),
        (NO_CAPTIONS, lambda: _ingest(paths, captions=False)),
        (NOTHING, lambda: _ingest_unread(paths)),
    ]
    _ingest(paths[:32])
    forget()
    for number in range(rounds):
        for arm, work in arms if number % 2 == 0 else arms[::-1]:
            turns.note(arm, _timed(work, len(paths)))
            if arm == CAPTIONS:
                _unread()
                turns.note(AGAIN, _timed(lambda: _read_again(len(paths)), len(paths)))
            forget()
    return turns


def _ingest(paths: Sequence[Path], *, captions: bool = True) -> None:
    from search.ingestion import files_source, ingest  # noqa: PLC0415 - after make_world

    report = ingest(files_source(map(str, paths)), captions=captions)
    assert report.added == len(paths), report.failed


def _ingest_unread(paths: Sequence[Path]) -> None:
    from search.decoding import FileMetadata, decoder_client  # noqa: PLC0415 - after make_world
    from search.metadata import PhotoMetadata  # noqa: PLC0415

    nothing = FileMetadata(PhotoMetadata(), PhotoMetadata())
    with (
        mock.patch.object(decoder_client, "_KEPT", [one for one in decoder_client._KEPT if one != "written"]),
        mock.patch.object(decoder_client, "_said", return_value=nothing),
        mock.patch("search.ingestion.pipeline.rows.write_captures"),
    ):
        _ingest(paths, captions=False)


def _unread() -> None:
    from django.db import connection  # noqa: PLC0415 - after make_world

    with connection.cursor() as cursor:
        cursor.execute("UPDATE search_capture SET reader = 0")


def _read_again(count: int) -> None:
    from search.ingestion.metadata_rereading import Rereading  # noqa: PLC0415 - after make_world

    report = Rereading(count, captions=True, stop=threading.Event(), progress=lambda report: None).work()
    assert report.added == count, report.failed


def _timed(work: Callable[[], None], count: int) -> Turn:
    from search.decoding.decoder_pool import pool  # noqa: PLC0415 - after make_world

    database = _postmaster()
    start, used, served = time.perf_counter(), _own_time(), _of_tree(database)
    work()
    seconds = time.perf_counter() - start
    pool().close()  # the time of children counts once they have ended
    return Turn(seconds / count, (_own_time() - used) / count, (_of_tree(database) - served) / count)


def _own_time() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _postmaster() -> int:
    from django.conf import settings  # noqa: PLC0415 - after make_world

    return int((Path(settings.DATA_DIR) / "postgres" / "postmaster.pid").read_text().split()[0])


def _of_tree(process: int) -> float:
    """Seconds of processor time of a process and its descendants, including ended ones."""
    children: dict[int, list[int]] = {}
    used: dict[int, float] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                told = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(told[1]), []).append(int(folder.name))
            used[int(folder.name)] = sum(map(int, told[11:15])) / _TICK
    waiting, found = [process], 0.0
    while waiting:
        one = waiting.pop()
        found += used.get(one, 0.0)
        waiting += children.get(one, [])
    return found


def written_photos(cache: Path, count: int) -> list[Path]:
    """Return the files of `count` photos with the metadata of a camera and of photo software."""
    folder = cache / f"written-{CAMERA.width}x{CAMERA.height}-{count}"
    if not folder.is_dir():
        plain = [path.read_bytes() for path in photos(cache, CAMERA, BODIES)]
        draft = folder.with_suffix(".draft")
        draft.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            data = plain[number % len(plain)]
            parts = b"".join(_segment(0xE1, content) for content in (_exif(number), _xmp(number)))
            (draft / f"IMG_{number:04}.JPG").write_bytes(data[:2] + parts + data[2:])
        draft.rename(folder)
    return sorted(folder.iterdir())


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _exif(number: int) -> bytes:
    from PIL import Image  # noqa: PLC0415

    block = Image.Exif()
    block.update({0x010F: "FUJIFILM", 0x0110: "X100V", 0x010E: "", 0x0132: "2023:07:14 09:30:00", 0x8298: "A. Author"})
    block.get_ifd(0x8769).update(
        {
            0x9003: f"2023:07:{1 + number % 28:02} 09:{number % 60:02}:00",
            0x9011: "+09:00",
            0x9291: f"{number:03}",
            0x829A: 1 / 250,
            0x829D: 2.8,
            0x8827: 400,
            0x920A: 23.0,
            0xA434: "23mmF2",
            0x927C: random.Random(number).randbytes(12_000),  # maker notes
        }
    )
    block.get_ifd(0x8825).update({1: "N", 2: (37.0, 33.0, number % 60), 3: "E", 4: (126.0, 58.0, 40.8)})
    return b"Exif\0\0" + block.tobytes().removeprefix(b"Exif\0\0")


def _xmp(number: int) -> bytes:
    history = "".join(f'<rdf:li stEvt:action="saved" stEvt:instanceID="xmp.iid:{one:032x}"/>' for one in range(8))
    develop = " ".join(f'crs:Setting{one}="{one * number}"' for one in range(120))
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" '
        'xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#" '
        f'xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" xmp:Rating="4" {develop}>'
        f'<dc:title><rdf:Alt><rdf:li xml:lang="x-default">Picture {number}</rdf:li></rdf:Alt></dc:title>'
        "<dc:subject><rdf:Bag><rdf:li>holiday</rdf:li><rdf:li>가족</rdf:li></rdf:Bag></dc:subject>"
        f"<xmpMM:History><rdf:Seq>{history}</rdf:Seq></xmpMM:History></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    return b"http://ns.adobe.com/xap/1.0/\0" + packet.encode()


def told(turns: Turns, count: int) -> str:
    again = [1 / one for one in turns.times(AGAIN, CAPTIONS)]
    by_clock = [ours.clock / again.clock for ours, again in zip(turns.done[CAPTIONS], turns.done[AGAIN], strict=True)]
    shares = {other: [one - 1 for one in turns.times(CAPTIONS, other)] for other in (NO_CAPTIONS, NOTHING)}
    header = [f"{count} photos, {CAMERA.width}×{CAMERA.height}", "pictures a second", "processor ms", "database ms"]
    times = f"{median(again):.1f} times as many as ingestion by processor time ({min(again):.1f} to {max(again):.1f})"
    lines = [
        table(header, list(turns.rows())),
        "",
        f"read_metadata reads {times}, {median(by_clock):.1f} by the clock.",
        *(
            f"Reading costs {median(share):+.1%} beside {other} ({min(share):+.1%} to {max(share):+.1%})."
            for other, share in shares.items()
        ),
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=6)
    options = parser.parse_args()
    from benchmarks.benchmark_environment import make_world, start  # noqa: PLC0415 - it changes the environment

    world = make_world()
    paths = written_photos(world.cache, options.count)
    start()
    print(told(measure(paths, options.rounds), options.count))


if __name__ == "__main__":
    main()
