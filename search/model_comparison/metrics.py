"""How good rankings are, by the places at which graded pictures stand, and how sure these figures are.

A query's pictures have grades, 0 for one that does not fit; all that nobody has graded count as 0. Only queries with
at least one picture that fits have figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from search.indexing.exact_ranks import Ints

CUTOFFS = (1, 5, 10)
FIGURES = (*(f"recall@{cutoff}" for cutoff in CUTOFFS), "MRR", "nDCG@10")
"""The columns of `query_figures`."""
DEPTH = 10
"""Places that nDCG looks at."""
RESAMPLES = 2_000
CONFIDENCE = 0.95
LEAST_QUERIES = 20
"""Of fewer queries a bootstrap says too little: its intervals are too narrow."""
_SEED = 20_261_129

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Graded:
    """Graded pictures, those of all queries one after the other: whose query each is (by number), and its grade."""

    query: Ints
    grade: Ints

    def of(self, queries: int) -> Ints:
        """Return how many pictures fit each of so many queries."""
        return np.bincount(self.query[self.grade > 0], minlength=queries)


def query_figures(graded: Graded, ranks: Ints, queries: int) -> Floats:
    """Return the figures of each query, shape (queries, len(FIGURES)); NaN for one that no picture fits.

    `ranks` are the places of the graded pictures, from 1.

    recall@k   pictures that fit among the first k / pictures that fit (Manning, Raghavan, Schütze, Introduction to
               Information Retrieval, 2008, chapter 8). With one picture to a query, as in captions, its mean is the
               share of queries whose picture is among the first k (Hodosh, Young, Hockenmaier, JAIR 47, 2013).
    MRR        1 / place of the first picture that fits, the mean of it over queries (Voorhees, TREC-8, 1999)
    nDCG@10    DCG / DCG of the best order there is, DCG = sum of grade / log2(place + 1) over the first ten places
               (Järvelin, Kekäläinen, ACM TOIS 20, 2002, discounted from the first place on, as in trec_eval)
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
    """Return the DCG of each query with its pictures at these places."""
    gains = np.where(ranks <= DEPTH, graded.grade / np.log2(ranks + 1), 0.0)
    return np.bincount(graded.query, weights=gains, minlength=queries).astype(np.float64)


class Figure(NamedTuple):
    """A mean over queries, and its interval of 95 %."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Verdict:
    """The figures of two models on the same queries, by name, and those of the second less the first, paired."""

    queries: int
    first: dict[str, Figure]
    second: dict[str, Figure]
    difference: dict[str, Figure]

    def is_more_than_chance(self, figure: str) -> bool | None:
        """Whether the interval of the difference leaves out zero; None where there are too few queries to tell."""
        if self.queries < LEAST_QUERIES:
            return None
        _value, low, high = self.difference[figure]
        return low > 0 or high < 0


def compared(first: Floats, second: Floats) -> Verdict:
    """Compare the figures of two models for the same queries, each of shape (queries, len(FIGURES)), without NaN.

    Intervals are those of the percentile bootstrap over queries (Efron, Tibshirani, An Introduction to the Bootstrap,
    1993, chapter 13). One draw of queries serves both models and their difference, which makes that one paired (Sakai,
    SIGIR 2006). The draws are the same each time. Captions of one picture count as queries of their own, though what
    is hard about the picture is in all of them: of such, intervals are rather too narrow.
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
