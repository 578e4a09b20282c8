"""Evaluate tag suggestions on labelled drawings. Labels are used for judging only."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from search.demo.captions import caption
from search.demo.drawing import draw
from search.demo.scenes import BACKGROUNDS, COLOURS, SHAPES, Scene, Statement, pairs, random_scene
from search.embedding import picture_encoder, text_encoder
from search.models.vector_values import Vector, Vectors
from search.relevance.band_evaluation import Collection, measure_all
from search.relevance.band_thresholds import LoadedCalibration
from search.relevance.bank_vectors import bank_vectors
from search.tagging.suggestion_threshold import Measure, threshold
from search.tagging.vocabulary_tables import starting_rows

LONG_SIDE = 240
_AT_ONCE = 64
_DECIDED = 40
"""Suggestions of each tag, half the strongest and half the weakest, that a simulated curator decides for the second
figures."""

Which = npt.NDArray[np.bool_]


@dataclass
class Outcome:
    """Totals over some tags: suggestions, correct ones, and pictures that show the tag."""

    suggested: int = 0
    right: int = 0
    shown: int = 0

    @property
    def precision(self) -> float:
        return self.right / self.suggested if self.suggested else 1.0

    @property
    def found(self) -> float:
        return self.right / self.shown if self.shown else 1.0

    def add(self, suggested: Which, shows: Which) -> None:
        self.suggested += int(suggested.sum())
        self.right += int((suggested & shows).sum())
        self.shown += int(shows.sum())


@dataclass(frozen=True)
class Kind:
    """Tags of one kind: for each phrase, which pictures show it."""

    name: str
    phrases: Mapping[str, Which]


def evaluate(pictures: int = 1_200, seed: int = 11) -> Iterator[str]:
    """Yield the lines of a table: by kind of tags, the number of suggestions, their precision and recall; then
    precision and recall after a curator has decided some. Raises ModelUnavailable."""
    rng = random.Random(seed)  # noqa: S311 - drawings
    scenes = [random_scene(rng) for _ in range(pictures)]
    vectors = _encoded(scenes, seed)
    calibration = measure_all(Collection(vectors, np.arange(pictures), pictures), bank_vectors())
    yield f"{'':22}{'suggested':>10}{'right':>8}{'found':>8}{'decided: right':>17}{'found':>8}"
    total = Outcome(), Outcome()
    for kind in _kinds(scenes):
        outcomes = _judged(kind, vectors, calibration)
        yield _line(kind.name, *outcomes)
        for whole, part in zip(total, outcomes, strict=True):
            whole.suggested += part.suggested
            whole.right += part.right
            whole.shown += part.shown
    yield _line("all of them", *total)


def _line(name: str, first: Outcome, decided: Outcome) -> str:
    return (
        f"{name:22}{first.suggested:10,}{first.precision:8.1%}{first.found:8.1%}"
        f"{decided.precision:17.1%}{decided.found:8.1%}"
    )


def _encoded(scenes: Sequence[Scene], seed: int) -> Vectors:
    encoder, found = picture_encoder(), []
    for start in range(0, len(scenes), _AT_ONCE):
        some = scenes[start : start + _AT_ONCE]
        drawn = [draw(scene, seed * 1_000_003 + start + place, LONG_SIDE) for place, scene in enumerate(some)]
        found.append(encoder.encode_pictures(drawn))
    return np.concatenate(found)


def _kinds(scenes: Sequence[Scene]) -> Iterator[Kind]:
    """The starting vocabulary has shapes and colours; phrases for other kinds are made from captions."""
    phrases = {row["english"]: row["phrase"] for row in starting_rows()}
    shapes = {name: phrases.get(f"{name} shape") or phrases[name] for name in SHAPES}
    yield Kind("shapes", {shapes[one]: _which(scenes, Statement(shape=one)) for one in SHAPES})
    yield Kind("colours", {phrases[one]: _which(scenes, Statement(colour=one)) for one in COLOURS})
    grounds = [Statement(background=one) for one in BACKGROUNDS]
    yield Kind("backgrounds", {caption("en", one): _which(scenes, one) for one in grounds})
    both = [Statement(shape=shape, colour=colour) for colour, shape in pairs()]
    yield Kind("colour and shape", {caption("en", one): _which(scenes, one) for one in both})


def _which(scenes: Sequence[Scene], said: Statement) -> Which:
    return np.array([said.holds(scene) for scene in scenes])


def _judged(kind: Kind, pictures: Vectors, calibration: LoadedCalibration) -> tuple[Outcome, Outcome]:
    """Return the outcome before any decision, and after a curator has decided by the labels."""
    first, decided = Outcome(), Outcome()
    texts = text_encoder().encode_texts(list(kind.phrases))
    for vector, shows in zip(texts, kind.phrases.values(), strict=True):
        scores = pictures @ vector
        measure = Measure.of(calibration.scale(vector, pictures=0.0))
        suggested = scores >= threshold(measure, [], [])
        first.add(suggested, shows)
        said = _decided(scores, suggested)
        after = threshold(measure, scores[said & shows].tolist(), scores[said & ~shows].tolist())
        decided.add(scores >= after, shows)
    return first, decided


def _decided(scores: Vector, suggested: Which) -> Which:
    order = [place for place in np.argsort(-scores) if suggested[place]]
    chosen = [*order[: _DECIDED // 2], *order[-(_DECIDED // 2) :]]
    looked_at = np.zeros(len(scores), dtype=bool)
    looked_at[chosen] = True
    return looked_at
