"""Metadata of a compiled model, as stored beside it. Read without heavy imports."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from search.embedding.pixels import Window


@dataclass(frozen=True)
class About:
    """Precision, dimensions of the vectors, and the picture's crop; None for texts. `group`: how many activations
    share a scale; 0 if they are not quantised."""

    precision: str
    dimensions: int
    window: Window | None
    group: int = 0

    def write(self, folder: Path) -> None:
        (folder / "about.json").write_text(json.dumps(asdict(self), indent=2) + "\n", "utf-8")

    @classmethod
    def read(cls, folder: Path) -> "About":
        about = json.loads((folder / "about.json").read_text("utf-8"))
        return cls(
            about["precision"],
            int(about["dimensions"]),
            Window(**about["window"]) if about["window"] else None,
            int(about["group"]),
        )
