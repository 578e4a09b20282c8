"""Prints the comparison of `compare_models` as text or JSON."""

import time
from collections.abc import Iterator
from typing import Any

from django.core.management.base import OutputWrapper

from search.model_comparison.comparing import ALL, Comparison
from search.model_comparison.ranking_metrics import FIGURES, LEAST_QUERIES, Figure, Verdict

PRINTED_PROBLEMS = 100
"""Maximum number of problems printed; JSON has all of them."""
DECIDES = "nDCG@10"
"""The metric that decides which model is better: it uses grades and all of the first ten ranks."""
_MANY = 10
_LINE_EVERY = 10.0


class TimedLines:
    """A progress line every ten seconds."""

    def __init__(self, out: OutputWrapper) -> None:
        self._out = out
        self._printed = time.monotonic()

    def __call__(self, doing: str, done: int, total: int) -> None:
        if time.monotonic() - self._printed >= _LINE_EVERY:
            self._printed = time.monotonic()
            self._out.write(f"{doing}: {done:,} of {total:,}")


def print_problems(comparison: Comparison, complaints: OutputWrapper) -> None:
    """Print what could not be used, and why."""
    for where, reason in comparison.problems[:PRINTED_PROBLEMS]:
        complaints.write(f"{where}: {reason}")
    if len(comparison.problems) > PRINTED_PROBLEMS:
        complaints.write(f"... and {len(comparison.problems) - PRINTED_PROBLEMS:,} more; --json has all of them.")


def lines_of(comparison: Comparison, *, by_curators: bool) -> Iterator[str]:
    """Yield the table of each language, then a conclusion for each."""
    asked = sum(one.queries for name, one in comparison.verdicts.items() if name != ALL)
    yield f"A  {comparison.names[0]}"
    yield f"B  {comparison.names[1]}"
    left_out = f"; left out, since no matching picture is here: {comparison.left_out:,}" if comparison.left_out else ""
    yield f"{asked:,} queries, {comparison.pictures:,} pictures{left_out}. In brackets: 95 % intervals."
    if comparison.without:
        yield f"{comparison.without:,} more pictures are not searched here: they have no vector of both models."
    for language, verdict in comparison.verdicts.items():
        yield ""
        yield f"{_called(language)}: {verdict.queries:,} queries"
        yield f"  {'':10}{'A':24}{'B':24}B - A"
        for figure in FIGURES:
            own = f"{_plain(verdict.first[figure]):24}{_plain(verdict.second[figure]):24}"
            yield f"  {figure:10}{own}{_signed(verdict.difference[figure])}"
    yield ""
    for language, verdict in comparison.verdicts.items():
        yield sentence(language, verdict)
    if len(comparison.verdicts) > _MANY:
        yield "(Of twenty languages without any difference, one looks different by chance.)"
    if by_curators:
        first, second = comparison.judged
        yield (
            f"Of the first ten results, {first:.0%} of A's and {second:.0%} of B's are judged. Results without a "
            "judgement count as not fitting: judge both models' results, in the admin under “Compare models”."
        )


def sentence(language: str, verdict: Verdict) -> str:
    """Say which model is better, by how much, and whether the difference is significant."""
    name, (value, low, high) = _called(language), verdict.difference[DECIDES]
    difference = f"{value:+.3f} in {DECIDES}, {low:+.3f} to {high:+.3f}"
    certain = verdict.is_more_than_chance(DECIDES)
    if certain is None:
        return f"{name}: too few queries to decide, {verdict.queries} of {LEAST_QUERIES} at least ({difference})."
    if not certain:
        return f"{name}: no difference that is more than chance ({difference})."
    better, worse = ("B", "A") if value > 0 else ("A", "B")
    return f"{name}: {better} finds better than {worse}, and by more than chance ({difference})."


def as_json(comparison: Comparison) -> dict[str, Any]:
    return {
        "first": comparison.names[0],
        "second": comparison.names[1],
        "pictures": comparison.pictures,
        "pictures_without_both_vectors": comparison.without,
        "left_out": comparison.left_out,
        "judged@10": {"first": comparison.judged[0], "second": comparison.judged[1]},
        "languages": {language: _verdict(verdict) for language, verdict in comparison.verdicts.items()},
        "problems": [{"where": where, "reason": reason} for where, reason in comparison.problems],
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    sides = {"first": verdict.first, "second": verdict.second, "difference": verdict.difference}
    return {
        "queries": verdict.queries,
        **{side: {name: figure._asdict() for name, figure in figures.items()} for side, figures in sides.items()},
        "more_than_chance": {figure: verdict.is_more_than_chance(figure) for figure in FIGURES},
    }


def _called(language: str) -> str:
    return language or "no language"


def _plain(figure: Figure) -> str:
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def _signed(figure: Figure) -> str:
    return f"{figure.value:+.3f} ({figure.low:+.3f} to {figure.high:+.3f})"
