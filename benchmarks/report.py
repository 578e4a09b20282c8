"""Pairs of timings, and tables of them."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles

_PACKAGES = ("torch", "sentence-transformers", "transformers", "Django", "psycopg", "Pillow", "numpy")


@dataclass
class Pairs:
    """Timings in seconds of the same task, in turns: `ours[n]` and `plain[n]` are adjacent in time."""

    task: str
    ours: list[float] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """The plain loop's time relative to ours, pair by pair."""
        return [plain / ours for ours, plain in zip(self.ours, self.plain, strict=True)]

    @property
    def times_as_fast(self) -> str:
        ratios = self.ratios
        return f"**{median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} pairs)"

    def page_row(self) -> list[str]:
        return [self.task, _milliseconds(self.ours), _milliseconds(self.plain), self.times_as_fast]


def _milliseconds(seconds: Sequence[float]) -> str:
    """The median and the 95th percentile."""
    return f"{median(seconds) * 1000:.1f} / {quantiles(seconds, n=20)[-1] * 1000:.1f}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def page_table(results: Sequence[Pairs]) -> str:
    header = ["Search page, ms: median / 95th percentile", "this system", "plain loop", "times as fast"]
    return table(header, [pairs.page_row() for pairs in results])


def machine(database: str, load: float) -> str:
    """Describe date, machine, versions and other `load` of the measurement."""
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {_processor()}, {os.cpu_count()} cores, {_load(load)}.\n"
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {packages}, {database}."
    )


def _load(load: float) -> str:
    note = f"load average {load:.1f} before the start"
    return note if load < 0.3 else f"**{note}: the machine was not quiet**"


def _processor() -> str:
    """The processor's name and its vector instructions, which matter more than the name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    flags = facts.get("flags", facts.get("Features", "")).split()
    wide = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "bf16") if flag in flags]
    return f"{facts.get('model name', platform.machine())} ({', '.join(wide)})"
