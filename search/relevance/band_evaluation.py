"""Evaluate the bands on labelled pictures. Labels are used for judging only, not for the thresholds.

Half of the labels are left out of the collection, so that queries for them are queries without matches. Then the other
half.
"""

import csv
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from search import decoding
from search.demo.captions import LANGUAGES, caption
from search.demo.drawing import draw
from search.demo.scenes import Statement, pairs, random_scene
from search.demo.trainer.model_evaluation import half_size_jpeg
from search.embedding import Picture, picture_encoder, text_encoder
from search.imaging import is_wide
from search.imaging.wide_picture_windows import windows_of
from search.models.vector_values import Vectors
from search.relevance.band_thresholds import LoadedCalibration
from search.relevance.bank_vectors import bank_vectors
from search.relevance.threshold_derivation import different, measure, nearest_other
from search.relevance.wide_test_pictures import widened

Things = npt.NDArray[np.int64]
Change = Callable[[Picture], Picture]


@dataclass(frozen=True)
class LabelledWorld:
    """Labelled pictures: what each shows; by language, queries and what each asks for; and changed copies of the
    pictures.

    Labels are integers. `copies` are vectors in the order of `pictures`; `windows` are the vectors of windows, each of
    the picture whose index is in `windows_of`.
    """

    pictures: Vectors
    shown: Things
    queries: Mapping[str, tuple[Vectors, Things]]
    copies: Mapping[str, Vectors] = field(default_factory=dict)
    windows: Vectors | None = None
    windows_of: Things = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def by_the_middle(self) -> "LabelledWorld":
        """The same without windows, as if only the middle of each picture were searched."""
        return replace(self, windows=None, windows_of=np.zeros(0, dtype=np.int64))


@dataclass(frozen=True)
class Collection:
    """The searched vectors: those of whole pictures, then those of windows; `of` has the index of each one's
    picture."""

    vectors: Vectors
    of: Things
    count: int

    @classmethod
    def part_of(cls, world: LabelledWorld, inside: npt.NDArray[np.bool_]) -> "Collection":
        """Return the pictures where `inside` is true, renumbered."""
        places = np.cumsum(inside) - 1
        whole = world.pictures[inside]
        vectors, of = whole, np.arange(len(whole))
        if world.windows is not None and len(world.windows):
            kept = inside[world.windows_of]
            vectors = np.concatenate([whole, world.windows[kept]])
            of = np.concatenate([of, places[world.windows_of[kept]]])
        return cls(vectors, of, len(whole))

    def scores(self, query: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the score of each picture: the best of its vectors."""
        best = np.full(self.count, -1.0, dtype=np.float32)
        np.maximum.at(best, self.of, self.vectors @ query)
        return best


@dataclass
class Verdict:
    """Results by query: whether a match was `found` if there is one, whether it was `silent` otherwise; and how many
    strong results were right."""

    found: list[bool] = field(default_factory=list)
    silent: list[bool] = field(default_factory=list)
    strong: int = 0
    right: int = 0

    @property
    def precision(self) -> float:
        return self.right / self.strong if self.strong else 1.0

    def add(self, strong: npt.NDArray[np.bool_], right: npt.NDArray[np.bool_], *, there: bool) -> None:
        """Count one query, given which pictures are strong and which are right."""
        if there:
            self.found.append(bool((strong & right).any()))
        else:
            self.silent.append(not strong.any())
        self.strong += int(strong.sum())
        self.right += int((strong & right).sum())


def judge(world: LabelledWorld, bank: Vectors) -> dict[str, Verdict]:
    """Return the verdict for each language and each kind of copies."""
    verdicts: dict[str, Verdict] = {name: Verdict() for name in (*world.queries, *world.copies)}
    # Shuffled: otherwise a colour would be left out with all its shapes, which makes it easy.
    things = np.random.default_rng(0).permutation(np.unique(world.shown))
    for half in range(2):
        inside = np.isin(world.shown, things[half::2])
        collection, shown = Collection.part_of(world, inside), world.shown[inside]
        calibration = measure_all(collection, bank)
        for language, (vectors, asked) in world.queries.items():
            for vector, thing in zip(vectors, asked, strict=True):
                strong = _strong(calibration, collection, vector, pictures=0.0)
                verdicts[language].add(strong, shown == thing, there=bool((shown == thing).any()))
        places = np.cumsum(inside) - 1
        for name, copies in world.copies.items():
            for number, copy in enumerate(copies):
                strong = _strong(calibration, collection, copy, pictures=1.0)
                original = (np.arange(collection.count) == places[number]) & inside[number]
                verdicts[name].add(strong, original, there=bool(inside[number]))
    return verdicts


def measure_all(collection: Collection, bank: Vectors) -> LoadedCalibration:
    """Return the calibration of a collection in memory."""
    vectors = collection.vectors
    neighbours = []
    for number, whole in enumerate(vectors[: collection.count]):
        neighbours.append(nearest_other(np.delete(collection.scores(whole), number)))
    bank = different(bank)
    best = (bank @ vectors.T).max(axis=1)
    known = np.array([score for score in neighbours if score is not None], dtype=np.float32)
    return measure(vectors, collection.count, bank, best, known, collection.of[collection.count :].tolist())


def _strong(
    calibration: LoadedCalibration, collection: Collection, vector: npt.NDArray[np.float32], *, pictures: float
) -> npt.NDArray[np.bool_]:
    strong: npt.NDArray[np.bool_] = collection.scores(vector) >= calibration.scale(vector, pictures=pictures).strong
    return strong


def drawn_world(
    each: int = 4,
    seed: int = 7,
    long_side: int = 240,
    changes: Mapping[str, Change] | None = None,
    wide: float = 0.0,
) -> LabelledWorld:
    """Return new drawings of every combination of colour and shape, with queries in seven languages; a `wide` share of
    them is drawn at one end of a wide or tall background.

    The demo model has never seen a sixth of the combinations. Raises ModelUnavailable.
    """
    rng = random.Random(seed)  # noqa: S311 - drawings
    things = list(pairs())
    shown = [number for number in range(len(things)) for _ in range(each)]
    pictures = [
        draw(random_scene(rng, *things[thing]), seed * 1_000_003 + number, long_side)
        for number, thing in enumerate(shown)
    ]
    statements = [Statement(shape=shape, colour=colour) for colour, shape in things]
    texts: dict[str, list[str]] = {
        language: [caption(language, said) for said in statements] for language in LANGUAGES
    }
    asked: dict[str, Things] = {language: np.arange(len(things)) for language in LANGUAGES}
    pictures = list(widened(pictures, wide))
    return _world(pictures, np.array(shown), texts, asked, CHANGES if changes is None else changes)


def photo_world(folder: Path, wide: float = 0.0) -> LabelledWorld:
    """Return the photos of a folder whose `index.tsv` has labels in columns label_en, label_ko and so on; a `wide`
    share of them is put at one end of a wide or tall background.

    Raises OSError and KeyError without such a table, and ModelUnavailable.
    """
    with (folder / "index.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    files = ((folder / row["path"]).read_bytes() for row in rows)
    pictures = [decoding.read_picture(data, max_pixels=10**8, at_least=448).picture for data in files]
    names = [column for column in rows[0] if column.startswith("label_")]
    named = {name: [number for number, row in enumerate(rows) if row[name]] for name in names}
    texts = {name.removeprefix("label_"): [rows[number][name] for number in named[name]] for name in names}
    asked = {name.removeprefix("label_"): np.array(named[name]) for name in names}
    return _world(list(widened(pictures, wide)), np.arange(len(rows)), texts, asked, CHANGES)


def _world(
    pictures: Sequence[Picture],
    shown: Things,
    texts: Mapping[str, list[str]],
    asked: Mapping[str, Things],
    changes: Mapping[str, Change],
) -> LabelledWorld:
    encoder = picture_encoder()
    windows = [
        (number, picture.crop(box.of(picture.size)))
        for number, picture in enumerate(pictures)
        if is_wide(*picture.size)
        for box in windows_of(picture)
    ]
    return LabelledWorld(
        pictures=encoder.encode_pictures(pictures),
        shown=shown,
        queries={
            language: (text_encoder().encode_texts(own), asked[language]) for language, own in texts.items() if own
        },
        copies={
            name: encoder.encode_pictures([change(picture) for picture in pictures])
            for name, change in changes.items()
        },
        windows=encoder.encode_pictures([picture for _number, picture in windows]),
        windows_of=np.array([number for number, _picture in windows], dtype=np.int64),
    )


def _cropped(share: float) -> Change:
    def crop(picture: Picture) -> Picture:
        width, height = picture.size
        x, y = int(width * (1 - share) / 2), int(height * (1 - share) / 2)
        return picture.crop((x, y, width - x, height - y))

    return crop


def _recompressed(picture: Picture) -> Picture:
    file = BytesIO()
    picture.convert("RGB").save(file, "JPEG", quality=40)
    return Image.open(BytesIO(file.getvalue())).convert("RGB")


CHANGES: dict[str, Change] = {
    "half size": half_size_jpeg,
    "JPEG 40": _recompressed,
    "cropped 95 %": _cropped(0.95),
    "cropped 80 %": _cropped(0.8),
}


def evaluate(world: LabelledWorld) -> Iterator[str]:
    """Yield the lines of a table: one per language, and one per kind of changed copy."""
    verdicts = judge(world, bank_vectors())
    yield f"{'':14}{'there: found':>14}{'not there: silent':>19}{'strong: right':>15}"
    for name, verdict in verdicts.items():
        found, silent = float(np.mean(verdict.found)), float(np.mean(verdict.silent))
        yield f"{name:14}{found:14.1%}{silent:19.1%}{verdict.precision:15.1%}"
