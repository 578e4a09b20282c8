"""Supply chain: locked packages, their licences and known vulnerabilities; the pages of settings."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

BASE = Path(__file__).resolve().parent.parent
NOT_LOCKED = ("torch", "triton", "nvidia-", "cuda-")
"""Installed first, from an index of the operator's choice, whose files have hashes of their own."""


@dataclass(frozen=True, slots=True)
class Locked:
    """A package in a lock file, by its normalised name; `marker` is its environment marker, None for everywhere."""

    name: str
    version: str
    marker: Marker | None
    hashes: frozenset[str]

    @property
    def is_for_here(self) -> bool:
        return self.marker is None or self.marker.evaluate()


def requirements_in(path: Path) -> Iterator[Requirement]:
    """Yield the requirements of a requirements*.txt, including those of the files that it refers to."""
    for line in (text.partition("#")[0].strip() for text in path.read_text("utf-8").splitlines()):
        if line.startswith("-r "):
            yield from requirements_in(path.with_name(line.removeprefix("-r ").strip()))
        elif line:
            yield Requirement(line)


def locked(path: Path) -> list[Locked]:
    """Return the packages of a requirements*.lock. Raises ValueError for a line that isn't a pinned package with
    hashes."""
    found = []
    for line in re.sub(r"\\\n\s*", " ", path.read_text("utf-8")).splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        spec, *hashes = line.split(" --hash=")
        requirement = Requirement(spec.strip())
        versions = [one.version for one in requirement.specifier if one.operator == "=="]
        if len(versions) != 1 or len(requirement.specifier) != 1 or not hashes:
            raise ValueError(f"{path.name}: {line[:100]}")
        name = canonicalize_name(requirement.name)
        found.append(Locked(name, versions[0], requirement.marker, frozenset(one.strip() for one in hashes)))
    return found
