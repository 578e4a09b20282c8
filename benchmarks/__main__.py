"""`make bench`, or `python -m benchmarks [--quick] [--profile] [--write]`: about twenty minutes on two idle cores.

`make bench-full`, or `--full`: hours.
"""

import argparse
import os
import shutil
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import benchmark_environment as worlds
from benchmarks.old_build import NoOldBuild, old_build
from benchmarks.photos import LARGE, SMALL, photos
from benchmarks.report import machine, page_table
from benchmarks.resumable_measurements import Kept

RESULTS = Path(__file__).with_name("RESULTS.md")
FULL_RESULTS = Path(__file__).with_name("RESULTS-FULL.md")
EXPLANATION = """\
The two sides take turns, over the same files and the same queries; the last column is the median of the ratios within
each turn, and in brackets the least and the greatest. Measure on a machine that does nothing else: the plain loop
starts all threads for every single picture, so that it suffers more than this system does where they must wait for
others, and the ratios come out too good. Models have the shapes of CLIP ViT-B/32 and of the multilingual DistilBERT,
and random weights.

The plain loop is what the replaced system runs: each picture opened, encoded by `SentenceTransformer.encode`, stored
and inserted in a transaction of its own; the text encoded again for each page, whole rows selected. It does less than
this system: no thumbnail, placeholder or colour, no check for duplicates or for hostile files, and of the page only
the vector and the rows, without HTML and HTTP. It also searches with pgvector's own settings, which end after 40 rows.

Filters and far pages are compared with a scan of all rows in the same process: `recall@24` is the share of the page
that the scan has on the same page. The first search with a filter also counts what it leaves, remembered for a minute.

All get the same 500 photos, so that starting does not count, the plain loop 96 of them. Processor time is that of the
process that is measured, without the database server.

rclip 4.0.8 (on Python 3.12 or newer, in an environment of its own) indexes the same folder with the same picture
model, as ONNX, in a process that has it loaded: it decodes in threads, hashes, embeds and inserts into SQLite, and
makes no thumbnail, copy or index of vectors. Decoding and encoding alone is what ingestion does to the pixels for the
model, in as many threads, with nothing kept.

This system is measured as it is deployed: `search.ingestion.ingest`, and gunicorn with its own configuration in a
process of its own, asked over loopback by one visitor who keeps the connection."""


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    photos: int
    ingested: int
    ingestions: int
    rows: tuple[int, ...]
    queries: int


WHOLE = Extent(photos=64, ingested=500, ingestions=3, rows=(1_000, 30_000, 100_000), queries=60)
QUICK = Extent(photos=64, ingested=128, ingestions=2, rows=(1_000, 6_000), queries=20)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer pairs and rows, as a trial")
    parser.add_argument("--profile", action="store_true", help="print where the time goes instead of comparing")
    parser.add_argument("--full", action="store_true", help="the index up to 1,000,000 rows, and other libraries")
    parser.add_argument(
        "--restart", action="store_true", help="with --full, discard the measurements of an earlier run"
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help=f"keep what is printed in {RESULTS.name}; of --full, in {FULL_RESULTS.name}",
    )
    options = parser.parse_args()
    started, load = time.monotonic(), os.getloadavg()[0]
    say("Making models, photos and a database ...")
    world = worlds.make_world()
    worlds.start()
    extent = QUICK if options.quick else WHOLE
    if options.full:
        text = full(world, extent, restart=options.restart)
    else:
        text = profile(world, extent) if options.profile else compare(world, extent)
    text += "\n\n" + machine(worlds.database_version(), load)
    print(text)
    if options.write:
        file, target = (FULL_RESULTS, "bench-full") if options.full else (RESULTS, "bench")
        file.write_text(f"# Results of `make {target}`\n\n{text}\n", encoding="utf-8")
    say(f"{time.monotonic() - started:.0f} seconds.")


def say(progress: str) -> None:
    """Print progress to stderr, so that stdout has only the tables."""
    print(progress, file=sys.stderr, flush=True)


def compare(world: worlds.World, extent: Extent) -> str:
    from benchmarks import curating, filters, ingestion, search_page, serving  # noqa: PLC0415 - after the settings
    from benchmarks.copies import copies  # noqa: PLC0415
    from benchmarks.plain_loop import PlainLoop  # noqa: PLC0415
    from benchmarks.rclip import Rclip, Unavailable  # noqa: PLC0415
    from benchmarks.summary import summary  # noqa: PLC0415
    from search.relevance import calibrate  # noqa: PLC0415

    plain = PlainLoop(world)
    try:
        rclip = Rclip(world)
    except Unavailable as error:
        say(f"Without rclip: {error}")
        rclip = None
    pages: dict[int, search_page.Pages] = {}
    ingestions = []
    try:
        for size in (LARGE, SMALL):
            say(f"Ingestion of {size.name} photos ...")
            ingestions.append(
                ingestion.measure(world, plain, rclip, size, count=extent.ingested, rounds=extent.ingestions)
            )
        if rclip:
            rclip.close()
        with serving.served(world.data) as server:
            server.first_answer("/readyz")
            visitor = server.visitor()
            for seed, rows in enumerate(extent.rows):
                say(f"The search page at {rows:,} rows ...")
                worlds.fill_up_to(rows, photos(world.cache, SMALL, extent.photos))
                calibrate()  # as after each ingestion
                queries = worlds.queries(search_page.WARM_UP + extent.queries, seed)
                pages[rows] = search_page.measure(visitor, plain, rows, queries)
            say("Filters ...")
            filtered = filters.filters_table(
                extent.rows[-1], filters.measure(extent.queries), filters.whole_page(visitor, queries)
            )
            timelines = filters.timeline(extent.rows[-1], extent.queries)
        say("Serving ...")
        served = serving.measure(world, worlds.queries(2 * extent.queries, seed=len(extent.rows)))
    finally:
        plain.close()
    pairs = [one for measured in pages.values() for one in (measured.new, measured.next)]
    tables = [
        summary(ingestions, rows, pages[rows], served),
        ingestion.turns_table(ingestions),
        search_page.shares_table(pages),
        page_table(pairs),
        served.table(),
        filtered,
        timelines,
        copies(photos(world.cache, LARGE, extent.ingested), LARGE),
    ]
    say("Curating ...")
    tables.append(curating.compare(extent.rows[-1]))
    say("Beside the old build ...")
    return "\n\n".join([*tables, *compare_with_the_old_build(world, extent), EXPLANATION])


def compare_with_the_old_build(world: worlds.World, extent: Extent) -> list[str]:
    """Ratios of this build and the last one without vector tables; nothing where that is unavailable."""
    from benchmarks import edits, page_cost  # noqa: PLC0415 - after the settings

    try:
        old = old_build(world.cache)
    except NoOldBuild as error:
        say(f"Without the old build: {error}")
        return []
    return [page_cost.compare(old, extent.rows[:2]), edits.compare(old, extent.rows[-1])]


def full(world: worlds.World, extent: Extent, *, restart: bool) -> str:
    """The measurements that take hours. An interrupted run resumes from what it has measured."""
    from benchmarks.growth import growth  # noqa: PLC0415 - after the settings
    from benchmarks.index_grid import grid  # noqa: PLC0415
    from benchmarks.libraries import libraries  # noqa: PLC0415
    from benchmarks.past_a_million import PARTS_WIDTHS, QUICK_SHAPES, SHAPES, past_a_million  # noqa: PLC0415

    is_quick = extent is QUICK
    kept = Kept(world.cache / ("full-quick.json" if is_quick else "full.json"))
    large = world.cache / ("large-quick" if is_quick else "large")
    if restart:
        kept.forget()
        shutil.rmtree(large, ignore_errors=True)
    pictures = photos(world.cache, SMALL, extent.photos)
    sizes = (2_000, 6_000) if is_quick else (30_000, 100_000, 500_000, 1_000_000)
    tables = [growth(sizes, extent.queries, pictures, kept)]
    say("Libraries ...")
    tables += [
        kept.once(f"libraries, {rows}", partial(libraries, rows, world.cache))
        for rows in ((3_000,) if is_quick else (100_000, 500_000))
    ]
    say("The grid of the index's parameters ...")
    tables.append(grid(world.cache, (3_000,) if is_quick else sizes, say, kept))
    say("Past a million ...")
    tables.append(past_a_million(QUICK_SHAPES if is_quick else SHAPES, PARTS_WIDTHS, large, say))
    return "\n\n".join(tables)


def profile(world: worlds.World, extent: Extent) -> str:
    from benchmarks.where_time_goes import profile_ingestion, profile_page  # noqa: PLC0415 - after the settings

    tables = [profile_ingestion(photos(world.cache, size, extent.photos)) for size in (LARGE, SMALL)]
    for seed, rows in enumerate(extent.rows):
        worlds.fill_up_to(rows, photos(world.cache, SMALL, extent.photos))
        tables.append(profile_page(worlds.queries(extent.queries, seed), rows))
    return "\n\n".join(tables)


if __name__ == "__main__":
    main()
