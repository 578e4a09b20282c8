"""Which model made a vector. Rows carry this name, and a search sees only the rows of the active model."""

import hashlib
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from search import demo

_EDGE = 64 * 1024


def active_model() -> str:
    """Return the name that new rows get: the hub id, or a folder's name with a fingerprint of what is in it."""
    return _identity(settings.EMBEDDING_IMAGE_MODEL)


def is_demo_model() -> bool:
    """Whether pictures and words are embedded by the small model that knows only drawn shapes."""
    return Path(settings.EMBEDDING_IMAGE_MODEL).resolve() == demo.IMAGE_MODEL.resolve()


def fingerprint_of(name: str) -> str:
    """Return what tells the weights of the model `name` from others: a folder's fingerprint, a hub id's revision."""
    return _identity(name) if Path(name).is_dir() else f"{name}@{_revision(name)}"


def _revision(name: str) -> str:
    """Return the revision in the local cache of the hub; "" where there is none."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(name, "modules.json")
    return Path(path).parent.name if isinstance(path, str) else ""


@lru_cache(maxsize=8)
def _identity(name: str) -> str:
    folder = Path(name)
    return f"{folder.resolve().name}@{_fingerprint(folder)}" if folder.is_dir() else name


def _fingerprint(folder: Path) -> str:
    """Return eight hex digits that tell two trained models apart, wherever their folders lie.

    Made from the configuration and from the size and both ends of each file of weights: hashing all of 600 MB would
    cost every process seconds, and no training leaves the last weights as they were.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.name in {"config.json", "modules.json"}:
            digest.update(path.read_bytes())
        elif path.suffix in {".safetensors", ".bin"}:
            size = path.stat().st_size
            digest.update(f"{path.relative_to(folder)} {size}".encode())
            with path.open("rb") as file:
                digest.update(file.read(_EDGE))
                file.seek(max(0, size - _EDGE))
                digest.update(file.read())
    return digest.hexdigest()[:8]
