"""The store of compiled models in MODELS_DIR: compiled from the downloaded ones and measured, once per kind of
machine.

Every compiled backend that passes the acceptance test is timed, as are torch's. The fastest is kept, with the figures
of all; also if that is torch, so that the decision is made once. Each kind of machine has its own folder, so several
may share MODELS_DIR.
"""

import fcntl
import hashlib
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from django.conf import settings

from search.embedding import hardware
from search.embedding.compilation_results import Verdict
from search.embedding.compiled_metadata import About
from search.embedding.model_identity import active_pair, fingerprint_of
from search.embedding.protocol import PictureEncoder, TextEncoder

logger = logging.getLogger(__name__)

FORMAT = 4
"""Increase whenever compilation changes: older results are then compiled again."""
PICTURES, WORDS = "pictures", "words"
MOST_MODELS = 3
"""Of each kind: the active one, its successor in preparation, and its predecessor."""
_LIBRARIES = ("openvino", "torch", "transformers", "sentence-transformers", "tokenizers")

_Encoder = TypeVar("_Encoder", PictureEncoder, TextEncoder)


def compiled_pictures(name: str = "") -> PictureEncoder | None:
    """Return the compiled encoder of pictures; None if there is none yet, or torch is used.

    `name`, here as below: a model other than the active one.
    """
    from search.embedding.openvino_encoders import CompiledPictures  # noqa: PLC0415 - imports OpenVINO

    return _opened(folder_of(PICTURES, name), CompiledPictures)


def compiled_texts(name: str = "") -> TextEncoder | None:
    """Return the compiled encoder of texts; None if there is none yet, or torch is used."""
    from search.embedding.openvino_encoders import CompiledTexts  # noqa: PLC0415 - imports OpenVINO

    return _opened(folder_of(WORDS, name), CompiledTexts)


def verdict_on(kind: str, name: str = "") -> Verdict | None:
    """Return the decision for PICTURES or WORDS; None if there is none yet."""
    return Verdict.read(folder_of(kind, name))


def compiled_dimensions(kind: str, name: str = "") -> int:
    """Return the dimensions of a compiled model's vectors; 0 if there is none."""
    try:
        return About.read(folder_of(kind, name)).dimensions
    except (OSError, ValueError, TypeError, KeyError):
        return 0


def is_decided() -> bool:
    """Whether there is a decision for both models: compiled, or better uncompiled."""
    return all(verdict_on(kind) for kind in (PICTURES, WORDS))


def is_under_way() -> bool:
    """Whether a process is compiling now, on this kind of machine."""
    try:
        with (_folder_of_machine() / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def decided(folder: Path, make: Callable[[Path], Verdict]) -> Verdict:
    """Return the stored decision in `folder`, or make it, in a temporary folder that is renamed when complete."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.parent):
        if (known := Verdict.read(folder)) is not None:
            return known
        for leftover in folder.parent.glob("draft-*"):  # of a killed run
            _remove(leftover)
        with tempfile.TemporaryDirectory(prefix="draft-", dir=folder.parent) as name:
            draft = Path(name) / "model"
            draft.mkdir()
            verdict = make(draft)
            verdict.write(draft)
            _remove(folder)  # of an interrupted run, or damaged since
            draft.rename(folder)
        _forget_others(folder)
    logger.info("%s: %s", folder.name, verdict)
    return verdict


def _forget_others(folder: Path) -> None:
    """Remove what this kind of machine compiled of the same model with other libraries, leftovers of older versions,
    and of other models all but the most recently used."""
    kind, model, _ = folder.name.split("-")
    others = []
    for other in (*folder.parent.glob(f"{kind}-*"), *folder.parent.parent.glob(f"{kind}-*")):
        parts = other.name.split("-")
        if other.parent == folder.parent and len(parts) == 3 and parts[1] != model:
            others.append(other)
        elif other != folder:
            _remove(other)
    for other in sorted(others, key=_last_used, reverse=True)[MOST_MODELS - 1 :]:
        _remove(other)


def _last_used(folder: Path) -> float:
    with suppress(OSError):
        return (folder / "verdict.json").stat().st_mtime
    return 0.0


def forget_compiled(name: str) -> None:
    """Remove what this kind of machine compiled of the model `name`. Processes that have it open can go on using
    it."""
    for kind in (PICTURES, WORDS):
        for folder in _folder_of_machine().glob(f"{kind}-{_short(fingerprint_of(name))}-*"):
            _remove(folder)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Context in which no other process compiles; the others then find its result."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _opened(folder: Path, load: Callable[[Path], _Encoder]) -> _Encoder | None:
    verdict = Verdict.read(folder) if settings.COMPILE_MODELS else None
    if verdict is None or not verdict.precision:
        return None
    try:
        encoder = load(folder)
        encoder.read_trial(folder)  # type: ignore[attr-defined]
        with suppress(OSError):  # the folder may be read-only
            (folder / "verdict.json").touch()
    except Exception as error:  # whatever OpenVINO raises for a damaged file
        logger.warning("The compiled model %s can't be used, and is compiled again: %s", folder, error)
        shutil.rmtree(folder, ignore_errors=True)
        return None
    return encoder


def folder_of(kind: str, name: str = "") -> Path:
    """Return the folder of the model for PICTURES or WORDS, as compiled by these libraries for this kind of
    machine."""
    name = name or (active_pair().image if kind == PICTURES else active_pair().text)
    made_by = [FORMAT, *_versions()]
    return _folder_of_machine() / f"{kind}-{_short(fingerprint_of(name))}-{_short(made_by)}"


@cache
def _versions() -> list[str]:
    """Read once: each is parsed from a file of all that is known of the library, in milliseconds."""
    return [version(library) for library in _LIBRARIES]


def _folder_of_machine() -> Path:
    return Path(settings.MODELS_DIR) / f"machine-{_short(hardware.kind())}"


def _short(described: object) -> str:
    return hashlib.sha256(repr(described).encode()).hexdigest()[:16]
