"""The measurements against the goals, in one table."""

from collections.abc import Sequence
from statistics import median

from benchmarks.ingestion import ALONE, PLAIN, Turns
from benchmarks.report import table
from benchmarks.search_page import Pages
from benchmarks.serving import USERS, Serving

_FASTER = {"large": 5.0, "small": 4.0}


def summary(ingestions: Sequence[Turns], rows: int, pages: Pages, serving: Serving) -> str:
    """Return the table; `pages` are those of the largest collection, of `rows` rows."""
    lines = []
    for turns in ingestions:
        goal = _FASTER[turns.photos.partition(" ")[0]]
        lines.append(_at_least(f"ingestion of {turns.photos}: times the plain loop", turns.ratios(PLAIN), goal))
        lines.append(_at_least("the same: share of decoding and encoding alone", turns.ratios(ALONE), 0.8))
        if "rclip" in turns.others:
            lines.append(_at_least("the same: times rclip", turns.ratios("rclip"), 2.5))
    page = median(pages.new.ours)
    best = page / min(median(pages.again), median(pages.next.ours))
    lines += [
        _at_most(f"search page, {rows:,} rows: time of one plain encode", page / median(pages.encoding), 0.4),
        _at_least("cached query or next page: times as fast as a new one", [best], 3.0),
        _at_most("first search after the start: time of a plain process", serving.first / serving.plain_first, 0.2),
        _at_most("memory of a second worker, MB", serving.two_workers - serving.one_worker, 150),
        _at_least(f"throughput of {USERS} users, times one", [serving.together / serving.alone], 1.6),
    ]
    return table(["Goals", "measured", "goal", ""], lines)


def _at_least(what: str, found: Sequence[float], goal: float) -> list[str]:
    return [what, f"{median(found):.2f}", f"at least {goal:g}", "met" if median(found) >= goal else "**not met**"]


def _at_most(what: str, found: float, goal: float) -> list[str]:
    return [what, f"{found:.2f}", f"at most {goal:g}", "met" if found <= goal else "**not met**"]
