"""Retrieval metrics, compared with values computed by hand and by scikit-learn, and their confidence intervals."""

import math

import numpy as np
import pytest

from search.indexing.ranks_of_judged_pictures import Chunk, ranks
from search.model_comparison.ranking_metrics import FIGURES, Graded, compared, query_figures
from search.model_comparison.side_by_side import kendall_tau_b
from search.models.vector_values import Vectors


def figures(*pictures: tuple[int, int, int], queries: int = 1) -> dict[str, list[float]]:
    """`pictures` are tuples of query, grade and rank."""
    query, grade, place = (np.array(column, dtype=np.int64) for column in zip(*pictures, strict=True))
    table = query_figures(Graded(query, grade), place, queries)
    return {name: list(table[:, number]) for number, name in enumerate(FIGURES)}


def test_with_one_relevant_picture_the_metrics_depend_on_its_rank():
    found = figures((0, 1, 1), (1, 1, 4), (2, 1, 10), (3, 1, 11), queries=4)
    assert found["recall@1"] == [1, 0, 0, 0]
    assert found["recall@5"] == [1, 1, 0, 0]
    assert found["recall@10"] == [1, 1, 1, 0]
    assert found["MRR"] == [1, 1 / 4, 1 / 10, 1 / 11]
    assert found["nDCG@10"] == pytest.approx([1, 1 / math.log2(5), 1 / math.log2(11), 0])


def test_with_several_relevant_pictures_recall_is_a_share_and_mrr_uses_the_first():
    found = figures((0, 1, 2), (0, 2, 3), (0, 1, 30), (0, 0, 1))
    assert found["recall@1"] == [0]
    assert found["recall@5"] == pytest.approx([2 / 3])
    assert found["MRR"] == [1 / 2]


def test_ndcg_uses_grades_and_the_ideal_order():
    # Ranks 1 to 6 have the grades 3, 2, 3, 0, 1, 2: the example of Wikipedia's article on Järvelin and Kekäläinen's
    # measure.
    found = figures((0, 3, 1), (0, 2, 2), (0, 3, 3), (0, 0, 4), (0, 1, 5), (0, 2, 6))
    gained = 3 + 2 / math.log2(3) + 3 / 2 + 1 / math.log2(6) + 2 / math.log2(7)
    best = 3 + 3 / math.log2(3) + 2 / 2 + 2 / math.log2(5) + 1 / math.log2(6)
    assert found["nDCG@10"] == pytest.approx([gained / best])
    assert gained == pytest.approx(6.861, abs=1e-3)


def test_ndcg_equals_that_of_scikit_learn():
    from sklearn.metrics import ndcg_score

    random = np.random.default_rng(3)
    grades, scores = random.integers(0, 4, size=(5, 40)), random.normal(size=(5, 40))
    places = (-scores).argsort(axis=1).argsort(axis=1) + 1
    table = query_figures(Graded(np.repeat(np.arange(5), 40), grades.ravel()), places.ravel(), 5)
    for number in range(5):
        expected = ndcg_score(grades[number : number + 1], scores[number : number + 1], k=10)
        assert table[number, FIGURES.index("nDCG@10")] == pytest.approx(expected)


def test_a_query_without_a_relevant_picture_has_no_metrics():
    found = figures((0, 0, 1), (1, 1, 1), queries=2)
    assert all(math.isnan(values[0]) and values[1] == 1 for values in found.values())


# Intervals


def hits(share: float, count: int, seed: int = 0) -> np.ndarray:
    found = (np.random.default_rng(seed).random(count) < share).astype(float)
    return np.repeat(found[:, None], len(FIGURES), axis=1)


def test_the_interval_of_a_share_is_the_binomial_one():
    verdict = compared(hits(0.3, 400), hits(0.3, 400))
    value, low, high = verdict.first["recall@1"]
    width = 1.96 * math.sqrt(value * (1 - value) / 400)
    assert (low, high) == pytest.approx((value - width, value + width), abs=0.01)
    assert compared(hits(0.3, 400), hits(0.3, 400)) == verdict, "The draws are the same each time."


def test_a_constant_difference_is_significant_whatever_the_variance_of_queries():
    first = hits(0.5, 200) * 0.8
    verdict = compared(first, first + 0.1)
    assert verdict.difference["MRR"] == pytest.approx((0.1, 0.1, 0.1))
    assert verdict.is_more_than_chance("MRR")
    assert verdict.first["MRR"].high > verdict.second["MRR"].low, "Their own intervals overlap."


def test_equal_models_have_no_difference():
    verdict = compared(hits(0.5, 200), hits(0.5, 200))
    assert verdict.difference["MRR"] == (0, 0, 0)
    assert verdict.is_more_than_chance("MRR") is False


def test_equally_good_models_rarely_differ_significantly():
    different = sum(
        bool(compared(hits(0.5, 100, seed), hits(0.5, 100, seed + 1_000)).is_more_than_chance("MRR"))
        for seed in range(40)
    )
    assert different <= 6


def test_with_few_queries_no_significance_is_reported():
    assert compared(hits(0, 19), hits(1, 19)).is_more_than_chance("MRR") is None
    assert compared(hits(0, 20), hits(1, 20)).is_more_than_chance("MRR") is True


# Ranks


def unit(rows: np.ndarray) -> Vectors:
    vectors: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return vectors


def chunk(keys: list[str], vectors: Vectors, starts: list[int] | None = None) -> Chunk:
    return Chunk(keys, np.array(range(len(keys)) if starts is None else starts), vectors)


def places(chunks: list[Chunk], queries: Vectors, wanted: list[tuple[int, str]]) -> list[int]:
    known = {}
    for one in chunks:
        ends = [*one.starts[1:], len(one.vectors)]
        known |= {key: one.vectors[a:b] for key, a, b in zip(one.keys, one.starts, ends, strict=True)}
    query = np.array([number for number, _ in wanted], dtype=np.int64)
    return list(ranks(chunks, queries, query, [key for _, key in wanted], known))


def test_ranks_equal_those_of_a_full_sort_for_any_chunks():
    random = np.random.default_rng(1)
    vectors, queries = unit(random.normal(size=(300, 16))), unit(random.normal(size=(2_100, 16)))
    order = (-(queries @ vectors.T)).argsort(axis=1).argsort(axis=1) + 1
    keys = [f"{number}" for number in range(300)]
    pieces = [chunk(keys[start : start + 70], vectors[start : start + 70]) for start in range(0, 300, 70)]
    wanted = [(number, keys[number % 300]) for number in range(2_099, -1, -7)]
    assert places(pieces, queries, wanted) == [order[number, int(key)] for number, key in wanted]


def test_a_picture_is_ranked_by_its_nearest_window():
    vectors = unit(np.array([[1, 0], [0, 1], [1, 0.5], [0, 1]], dtype=float))
    pieces = [chunk(["wide", "plain", "other"], vectors, [0, 2, 3])]
    assert places(pieces, unit(np.array([[1.0, 0.1]])), [(0, "wide"), (0, "plain"), (0, "other")]) == [1, 2, 3]
    assert places(pieces, unit(np.array([[0.1, 1.0]])), [(0, "wide")]) == [1]


def test_ties_are_ranked_in_the_middle():
    same = unit(np.ones((101, 4)))
    pieces = [chunk([f"{n}" for n in range(101)], same)]
    assert places(pieces, same[:1], [(0, "77")]) == [51]
    assert places(pieces, same[:1], [(0, "77"), (0, "0"), (0, "9")]) == [51, 50, 52]


def test_copies_of_a_picture_count_as_two_results():
    """Else both would be first, and nDCG above 1."""
    vectors = unit(np.array([[1, 0], [1, 0], [0.9, 0.5], [0, 1]]))
    found = places([chunk(["a", "b", "c", "d"], vectors)], vectors[:1], [(0, "b"), (0, "a"), (0, "c")])
    assert found == [2, 1, 3]
    graded = Graded(np.zeros(3, dtype=np.int64), np.array([1, 1, 0]))
    assert list(query_figures(graded, np.array(found), 1)[0]) == [0.5, 1, 1, 1, 1]


# Rank correlation


@pytest.mark.parametrize(
    ("first", "second", "tau"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4], 1.0),
        ([1, 2, 3, 4], [4, 3, 2, 1], -1.0),
        ([1, 2, 3, 4], [1, 2, 4, 3], 4 / 6),
        ([1, 1, 2, 3], [1, 2, 2, 3], 4 / 5),
        ([1, 1, 1], [1, 2, 3], None),
        ([1], [1], None),
    ],
)
def test_rank_correlation_is_kendalls_tau_b(first: list[float], second: list[float], tau: float | None):
    found = kendall_tau_b(np.array(first), np.array(second))
    assert found == (None if tau is None else pytest.approx(tau))
