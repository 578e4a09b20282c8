"""Ranking metrics with confidence intervals, from the ranks of graded pictures.

Grade 0 means not matching; ungraded pictures count as 0. Only queries with a matching picture have figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from search.indexing.ranks_of_judged_pictures import Ints

CUTOFFS = (1, 5, 10)
FIGURES = (*(f"recall@{cutoff}" for cutoff in CUTOFFS), "MRR", "nDCG@10")
"""The columns of `query_figures`."""
DEPTH = 10
"""Number of ranks in nDCG."""
RESAMPLES = 2_000
CONFIDENCE = 0.95
LEAST_QUERIES = 20
"""With fewer queries the bootstrap's intervals are too narrow."""
_SEED = 20_261_129

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Graded:
    """Graded pictures of all queries as flat arrays: the query's index and the grade."""

    query: Ints
    grade: Ints

    def of(self, queries: int) -> Ints:
        """Return how many pictures match each query."""
        return np.bincount(self.query[self.grade > 0], minlength=queries)


def query_figures(graded: Graded, ranks: Ints, queries: int) -> Floats:
    """Return the figures of each query, shape (queries, len(FIGURES)); NaN without a matching picture.

    `ranks` are the ranks of the graded pictures, from 1.

        recall@k   matching pictures among the first k / matching pictures (Manning, Raghavan, Schütze, Introduction to
                   Information Retrieval, 2008, chapter 8). With one picture per query, as in captions, its mean is the
                   share of queries whose picture is among the first k (Hodosh, Young, Hockenmaier, JAIR 47, 2013).
        MRR        1 / rank of the first matching picture, averaged over queries (Voorhees, TREC-8, 1999)
        nDCG@10    DCG / DCG of the ideal order, DCG = sum of grade / log2(rank + 1) over the first ten ranks
                   (Järvelin, Kekäläinen, ACM TOIS 20, 2002, discounted from the first rank on, as in trec_eval)
    """
    fits = graded.grade > 0
    fitting = graded.of(queries).astype(np.float64)
    fitting[fitting == 0] = np.nan
    columns = [np.bincount(graded.query[fits & (ranks <= cutoff)], minlength=queries) / fitting for cutoff in CUTOFFS]
    first = np.full(queries, np.inf)
    np.minimum.at(first, graded.query[fits], ranks[fits])
    columns.append(np.where(np.isnan(fitting), np.nan, 1 / first))
    best = np.empty(len(ranks), dtype=np.int64)
    order = np.lexsort((-graded.grade, graded.query))
    owners = graded.query[order]
    best[order] = np.arange(len(owners)) - np.searchsorted(owners, owners) + 1
    gained, most = _gain(graded, ranks, queries), _gain(graded, best, queries)
    columns.append(np.divide(gained, most, out=np.full(queries, np.nan), where=most > 0))
    return np.column_stack(columns)


def _gain(graded: Graded, ranks: Ints, queries: int) -> Floats:
    """Return the DCG of each query with its pictures at these ranks."""
    gains = np.where(ranks <= DEPTH, graded.grade / np.log2(ranks + 1), 0.0)
    return np.bincount(graded.query, weights=gains, minlength=queries).astype(np.float64)


class Figure(NamedTuple):
    """A mean over queries, and its 95 % confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Verdict:
    """The figures of two models on the same queries, by name, and the paired differences, second minus first."""

    queries: int
    first: dict[str, Figure]
    second: dict[str, Figure]
    difference: dict[str, Figure]

    def is_more_than_chance(self, figure: str) -> bool | None:
        """Whether the difference's interval excludes zero; None with too few queries."""
        if self.queries < LEAST_QUERIES:
            return None
        _value, low, high = self.difference[figure]
        return low > 0 or high < 0


def compared(first: Floats, second: Floats) -> Verdict:
    """Compare the figures of two models for the same queries, each of shape (queries, len(FIGURES)), without NaN.

    Intervals are percentile bootstraps over queries (Efron, Tibshirani, An Introduction to the Bootstrap, 1993,
    chapter 13). Both models and their difference use the same resamples, which makes the difference paired (Sakai,
    SIGIR 2006). The seed is fixed. Captions of one picture count as separate queries although they share its
    difficulty: their intervals are rather too narrow.
    """
    table = np.concatenate([first, second, second - first], axis=1)
    figures = [Figure(*map(float, column)) for column in zip(*_with_intervals(table), strict=True)]
    named = [dict(zip(FIGURES, figures[start : start + len(FIGURES)], strict=True)) for start in _STARTS]
    return Verdict(len(table), *named)


_STARTS = (0, len(FIGURES), 2 * len(FIGURES))


def _with_intervals(table: Floats) -> Sequence[Floats]:
    """Return the mean of each column, and the ends of its interval."""
    count = len(table)
    random = np.random.default_rng(_SEED)
    means = np.empty((RESAMPLES, table.shape[1]))
    for number in range(RESAMPLES):
        drawn = np.bincount(random.integers(count, size=count), minlength=count)
        means[number] = drawn @ table / count
    outside = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [outside, 1 - outside], axis=0)
    return table.mean(axis=0), low, high
