"""The result of compiling a model: the backend in use and the measurements, as stored beside it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_FILE = "verdict.json"


@dataclass(frozen=True, slots=True)
class Figure:
    """Measurements of one backend. `milliseconds`: processor time for a picture or a query; None if not completed.
    `agreement`: with float32, or why the backend is excluded."""

    way: str
    milliseconds: float | None
    agreement: str

    def __str__(self) -> str:
        took = "-" if self.milliseconds is None else f"{self.milliseconds:.1f}"
        return f"{self.way:18} {took:>7}  {self.agreement}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision: `precision` is that of the compiled model, "" if torch is used; `why` is for the operator."""

    precision: str
    why: str
    figures: Sequence[Figure] = ()
    machine: str = ""
    """The processor, and the number of threads per encoding."""

    @classmethod
    def read(cls, folder: Path) -> "Verdict | None":
        """Return the stored result in `folder`, None if there is none or it is unreadable."""
        try:
            written = json.loads((folder / _FILE).read_text("utf-8"))
            figures = [Figure(one["way"], one["milliseconds"], one["agreement"]) for one in written["figures"]]
            texts = [written[name] for name in ("precision", "why", "machine")]
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return cls(texts[0], texts[1], figures, texts[2]) if all(isinstance(one, str) for one in texts) else None

    def write(self, folder: Path) -> None:
        (folder / _FILE).write_text(json.dumps(asdict(self), indent=2) + "\n", "utf-8")

    def __str__(self) -> str:
        used = f"compiled ({self.precision})" if self.precision else "used uncompiled"
        return f"{used}: {self.why}"
