"""Relevance bands, relative to the scores of the collection's pictures for the same query."""

import numpy as np
import pytest

from search.models.vector_values import Vector, Vectors
from search.relevance.band_thresholds import Band, LoadedCalibration, Scale, Thresholds, centre_and_spread, highest_of
from search.relevance.threshold_derivation import measure, nearest_other
from search.retrieval.query_vector import Direction, QueryVector
from search.retrieval.ranking_and_bands import PENALTY, Judge
from tests.base import a_vector

SCALE = Scale(mean=0.2, spread=0.02, strong=0.3, related=0.275)


def unit(vectors: np.ndarray) -> Vectors:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


class SimulatedModel:
    """Vectors with the distribution of a model's similarities: `unrelated` for words and unrelated pictures, higher by
    `match` for a match. Each query has an offset of its own besides, as with CLIP."""

    ABOUT = 30  # dimensions that encode what a picture shows

    def __init__(self, unrelated: float, spread: float, match: float, *, seed: int = 5) -> None:
        self.rng = np.random.default_rng(seed)
        self.unrelated, self.spread, self.match = unrelated, spread, match

    def pictures(self, shown: np.ndarray) -> Vectors:
        return self._vectors(np.sqrt(0.5), np.sqrt(0.5) * shown)

    def queries(self, asked: np.ndarray) -> Vectors:
        own = self.rng.normal(self.unrelated, self.spread / 2, size=(len(asked), 1))
        return self._vectors(own / np.sqrt(0.5), asked * self.spread * np.sqrt(2 * self.ABOUT), fill=True)

    def things(self, count: int) -> np.ndarray:
        return unit(self.rng.normal(size=(count, self.ABOUT)))

    def alike(self, things: np.ndarray) -> np.ndarray:
        """Matching pictures: they show more than what was asked for."""
        nearness = self.match / (self.spread * np.sqrt(self.ABOUT))
        other = self.things(len(things))
        other -= things * (other * things).sum(1, keepdims=True)
        return things * nearness + unit(other) * np.sqrt(1 - nearness**2)

    def _vectors(self, common: np.ndarray | float, about: np.ndarray, *, fill: bool = False) -> Vectors:
        vectors = np.zeros((len(about), 512))
        vectors[:, :1] = common
        vectors[:, 1 : 1 + self.ABOUT] = about
        if fill:  # a component of words that no picture has
            vectors[:, 100] = np.sqrt(1 - (vectors**2).sum(1))
        return unit(vectors)


def calibration_of(pictures: Vectors, bank: Vectors) -> LoadedCalibration:
    among = pictures[:200] @ pictures.T
    among[np.arange(200), np.arange(200)] = -1
    neighbours = np.array([nearest_other(scores) for scores in among])
    return measure(pictures[:1000], len(pictures), bank, (bank @ pictures.T).max(axis=1), neighbours)


@pytest.mark.parametrize(
    ("similarity", "band"),
    [(0.31, Band.STRONG), (0.3, Band.STRONG), (0.29, Band.RELATED), (0.27, Band.WEAK), (-1, Band.WEAK)],
)
def test_each_band_begins_at_its_threshold(similarity: float, band: Band):
    assert SCALE.band(similarity) is band


def test_the_penalty_begins_beyond_the_scores_of_unrelated_pictures():
    (dislike,) = Judge([], QueryVector(None, (Direction(a_vector(1), 1.0, SCALE),))).dislikes
    assert dislike.loss(0.2) == dislike.loss(0.275) == 0
    assert dislike.loss(0.315) == pytest.approx(2 * PENALTY)


def test_relevant_pictures_in_the_sample_hardly_change_its_centre_and_spread():
    rng = np.random.default_rng(1)
    scores = rng.normal(0.18, 0.02, 1000)
    centre, spread = centre_and_spread(scores)
    assert (centre, spread) == (pytest.approx(0.18, abs=0.003), pytest.approx(0.02, abs=0.003))
    scores[:100] = 0.35
    centre, spread = centre_and_spread(scores)
    assert (centre, spread) == (pytest.approx(0.18, abs=0.006), pytest.approx(0.02, abs=0.005))


@pytest.mark.parametrize("count", [30, 1000, 30_000])
def test_the_maximum_of_normal_samples_is_below_its_bound_with_the_given_probability(count: int):
    rng = np.random.default_rng(count)
    highest = np.array([rng.standard_normal(count).max() for _ in range(400)])
    assert (highest < highest_of(count, 0.9)).mean() == pytest.approx(0.9, abs=0.05)


def test_the_bound_is_finite_for_the_largest_collections():
    assert 6 < highest_of(50_000_000, 0.98) < 7


def test_a_sample_of_equal_pictures_has_a_valid_scale():
    same = np.repeat(unit(np.ones((1, 512))), 40, axis=0)
    scale = LoadedCalibration(same, 40, Thresholds(0.2, 0.4), Thresholds(0.9, 0.9)).scale(same[0], pictures=0)
    assert scale.spread > 0
    assert scale.band(scale.mean) is not Band.STRONG
    assert np.isfinite([scale.mean, scale.strong, scale.related]).all()


def test_thresholds_of_a_mixed_query_are_between_those_of_words_and_pictures():
    sample = unit(np.random.default_rng(2).normal(size=(100, 512)))
    calibration = LoadedCalibration(sample, 100, Thresholds(0.3, 0.3), Thresholds(0.8, 0.8))
    strong = [calibration.scale(sample[0], pictures=share).strong for share in (0, 0.5, 1)]
    assert strong == [pytest.approx(0.3), pytest.approx(0.55), pytest.approx(0.8)]


def test_the_bands_are_in_order_for_any_query():
    rng = np.random.default_rng(3)
    sample = unit(rng.normal(size=(200, 512)) + 0.5)
    calibration = LoadedCalibration(sample, 200, Thresholds(0.1, 0.2), Thresholds(0.5, 0.5))
    for query in (*unit(rng.normal(size=(50, 512))), sample[0], -sample[0]):
        scale = calibration.scale(query, pictures=float(rng.random()))
        assert scale.mean < scale.related < scale.strong


@pytest.mark.parametrize("of_the_bank", [0.05, 0.3, 0.9], ids=lambda share: f"{share:.0%} of the bank is there")
@pytest.mark.parametrize(
    ("unrelated", "spread", "match"),
    [(0.18, 0.022, 0.115), (0.0, 0.03, 0.155), (-0.2, 0.02, 0.105)],
    ids=["like CLIP", "like SigLIP", "below zero"],
)
def test_error_rates_hold_for_any_distribution_of_scores_and_share_of_matching_phrases(
    unrelated: float, spread: float, match: float, of_the_bank: float
):
    model = SimulatedModel(unrelated, spread, match)
    asked, bank = model.things(200), model.things(400)
    there = np.repeat(bank[: int(400 * of_the_bank)], 2, axis=0)
    shown = np.concatenate([model.things(2500), model.alike(there), model.alike(np.repeat(asked[:100], 2, axis=0))])
    pictures = model.pictures(model.rng.permutation(shown))
    calibration = calibration_of(pictures, model.queries(bank))
    found = np.array([is_anything_strong(calibration, pictures, query) for query in model.queries(asked)])
    assert found[:100].mean() >= 0.9
    assert found[100:].mean() <= 0.1


def is_anything_strong(calibration: LoadedCalibration, pictures: Vectors, query: Vector) -> bool:
    scale = calibration.scale(query, pictures=0)
    return any(scale.band(float(similarity)) is Band.STRONG for similarity in pictures @ query)
