"""Compiled models: made from the downloaded ones once a kind of machine, measured there, and kept in MODELS_DIR.

Every way to compile whose vectors agree with those of float32 is timed, as are the ways of torch. The fastest is kept,
with the figures of all; also where that is torch, so that it is decided once. Each kind of machine has a folder of its
own, so that several may share MODELS_DIR.
"""

import fcntl
import hashlib
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from django.conf import settings

from search.embedding import hardware
from search.embedding.identity import fingerprint_of
from search.embedding.protocol import PictureEncoder, TextEncoder
from search.embedding.verdicts import Verdict

logger = logging.getLogger(__name__)

FORMAT = 2
"""Goes up whenever the way in which models are compiled changes: older ones are made anew."""
PICTURES, WORDS = "pictures", "words"
_LIBRARIES = ("openvino", "torch", "transformers", "sentence-transformers", "tokenizers")

_Encoder = TypeVar("_Encoder", PictureEncoder, TextEncoder)


def compiled_pictures() -> PictureEncoder | None:
    """Return the compiled encoder of pictures; None where there is none yet, or where torch is used."""
    from search.embedding.compiled import CompiledPictures  # noqa: PLC0415 - imports OpenVINO

    return _opened(folder_of(PICTURES), CompiledPictures)


def compiled_texts() -> TextEncoder | None:
    """Return the compiled encoder of words; None where there is none yet, or where torch is used."""
    from search.embedding.compiled import CompiledTexts  # noqa: PLC0415 - imports OpenVINO

    return _opened(folder_of(WORDS), CompiledTexts)


def verdict_on(kind: str) -> Verdict | None:
    """Return what was decided of the model for PICTURES or WORDS; None where nothing is yet."""
    return Verdict.read(folder_of(kind))


def is_decided() -> bool:
    """Whether both models were compiled, or found to be used better as they are."""
    return all(verdict_on(kind) for kind in (PICTURES, WORDS))


def is_under_way() -> bool:
    """Whether a process compiles at this moment, on this kind of machine."""
    try:
        with (_folder_of_machine() / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def compile_pictures() -> Verdict:
    """Compile the model of pictures, unless that was done. Raises ModelUnavailable, and OSError for a full disk."""

    def make(draft: Path) -> Verdict:
        from search.embedding.choosing import chosen_pictures  # noqa: PLC0415 - imports torch

        return chosen_pictures(draft)

    return _decided(folder_of(PICTURES), make)


def compile_texts() -> Verdict:
    """Compile the model of words, unless that was done. Raises ModelUnavailable, and OSError for a full disk."""

    def make(draft: Path) -> Verdict:
        from search.embedding.choosing import chosen_texts  # noqa: PLC0415 - imports torch

        return chosen_texts(draft)

    return _decided(folder_of(WORDS), make)


def _decided(folder: Path, make: Callable[[Path], Verdict]) -> Verdict:
    """Return what was decided before in `folder`, or have it made in a draft that gets this name when it is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.parent):
        if (known := Verdict.read(folder)) is not None:
            return known
        for leftover in folder.parent.glob("draft-*"):  # of a run that was killed
            _remove(leftover)
        with tempfile.TemporaryDirectory(prefix="draft-", dir=folder.parent) as name:
            draft = Path(name) / "model"
            draft.mkdir()
            verdict = make(draft)
            verdict.write(draft)
            _remove(folder)  # of a run that was cut off, or broken since
            draft.rename(folder)
        _forget_others(folder)
    logger.info("%s: %s", folder.name, verdict)
    return verdict


def _forget_others(folder: Path) -> None:
    """Remove what this kind of machine compiled before, for another model or library, and what older versions left."""
    kind = folder.name.partition("-")[0]
    for other in (*folder.parent.glob(f"{kind}-*"), *folder.parent.parent.glob(f"{kind}-*")):
        if other != folder:
            _remove(other)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process compile at a time; the others find its work done."""
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
    except Exception as error:  # whatever a damaged file makes OpenVINO raise
        logger.warning("The compiled model %s can't be used and is made anew: %s", folder, error)
        shutil.rmtree(folder, ignore_errors=True)
        return None
    return encoder


def folder_of(kind: str) -> Path:
    """Return where the model for PICTURES or WORDS is kept, compiled by these libraries for this kind of machine."""
    name = settings.EMBEDDING_IMAGE_MODEL if kind == PICTURES else settings.EMBEDDING_TEXT_MODEL
    made_of = [FORMAT, fingerprint_of(name), *(version(library) for library in _LIBRARIES)]
    return _folder_of_machine() / f"{kind}-{_short(made_of)}"


def _folder_of_machine() -> Path:
    return Path(settings.MODELS_DIR) / f"machine-{_short(hardware.kind())}"


def _short(described: object) -> str:
    return hashlib.sha256(repr(described).encode()).hexdigest()[:16]
