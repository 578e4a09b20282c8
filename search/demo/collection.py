"""The demo's collection: a folder of drawn pictures, and a table of their metadata."""

from __future__ import annotations

import csv
import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from imagesearch.memory_and_cores import core_count
from search.demo.captions import caption
from search.demo.drawing import draw
from search.demo.scenes import COLOURS, SHAPES, Scene, Statement, random_scene

METADATA = "metadata.tsv"
COLUMNS = ("path", "title", "description", "tags", "author", "licence", "source_link")
# Mostly JPEG, as a real collection is.
_FORMATS = ("jpg", "jpg", "jpg", "png", "webp")


def draw_collection(folder: Path, count: int = 800, seed: int = 2024) -> Path:
    """Draw `count` pictures of 640 pixels into the folder, and return the path of the table that lists them.

    Existing pictures are kept, so a second call is fast, and an interrupted one can be repeated. All combinations of
    colour and shape are equally frequent, including those that the model never saw in training.
    """
    folder.mkdir(parents=True, exist_ok=True)
    jobs = list(_jobs(count, seed))
    with ThreadPoolExecutor(core_count()) as pool:
        list(pool.map(lambda job: _draw_file(folder / job[0], job[1], job[2]), jobs))
    table = folder / METADATA
    waiting = _waiting(table)
    with waiting.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(_row(name, scene) for name, scene, _ in jobs)
    waiting.replace(table)
    return table


def _jobs(count: int, seed: int) -> Iterator[tuple[str, Scene, int]]:
    """Yield file name, scene and seed of each picture; the first ones are the same for every count."""
    rng = random.Random(seed)
    combinations = [(colour, shape) for colour in COLOURS for shape in SHAPES]
    rng.shuffle(combinations)
    for number in range(count):
        scene = random_scene(rng, *combinations[number % len(combinations)])
        # The seed is in the name, so that pictures of another seed in the folder are not mistaken for these. The
        # number comes first: files are ingested in order of name, and the newest should be a mixture.
        name = f"{number:05}-{scene.colour}-{scene.shape}-{seed}.{_FORMATS[number % len(_FORMATS)]}"
        yield name, scene, seed * 1_000_003 + number


def _draw_file(path: Path, scene: Scene, seed: int) -> None:
    if path.exists():
        return
    waiting = _waiting(path)
    draw(scene, seed).save(waiting, quality=90)
    waiting.replace(path)


def _waiting(path: Path) -> Path:
    """Return a temporary name, so that a partially written file is never mistaken for a complete one."""
    return path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")


def _row(name: str, scene: Scene) -> tuple[str, ...]:
    title = Statement(shape=scene.shape, colour=scene.colour, count=scene.count)
    whole = Statement(scene.shape, scene.colour, scene.count, scene.size, scene.place, scene.background)
    description = f"{_sentence(caption('en', whole))}. {caption('ko', whole)}."
    tags = f"{scene.colour},{scene.shape}"
    return name, _sentence(caption("en", title)), description, tags, "drawn by the demo", "CC0", ""


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
