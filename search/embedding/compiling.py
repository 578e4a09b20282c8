"""Compiled models: made from the downloaded ones once a machine, checked against them, and kept in MODELS_DIR.

Each precision is tried, the fastest first, until one gives vectors that agree with those of float32. What came of it
is written down beside the model, also where none does, so that it is decided once.
"""

import fcntl
import hashlib
import json
import logging
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from django.conf import settings

from search.embedding import hardware
from search.embedding.agreement import agreement
from search.embedding.identity import fingerprint_of
from search.embedding.protocol import PictureEncoder, TextEncoder
from search.vectors import Vectors, WrongVectors

if TYPE_CHECKING:
    import openvino as ov

logger = logging.getLogger(__name__)

FORMAT = 1
"""Goes up whenever the way in which models are compiled changes: older ones are made anew."""

_Encoder = TypeVar("_Encoder", PictureEncoder, TextEncoder)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a model: the precision that is used, "" for none of them, and why, for the operator."""

    precision: str
    why: str

    @classmethod
    def read(cls, folder: Path) -> "Verdict | None":
        """Return what is written in `folder`, None where nothing is."""
        try:
            return cls(**json.loads((folder / "verdict.json").read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, folder: Path) -> None:
        text = json.dumps({"precision": self.precision, "why": self.why}, indent=2)
        (folder / "verdict.json").write_text(text + "\n", "utf-8")


def compiled_pictures() -> PictureEncoder | None:
    """Return the compiled encoder of pictures; None where there is none yet, or none that agrees."""
    from search.embedding.compiled import CompiledPictures  # noqa: PLC0415 - imports OpenVINO

    return _opened(_folder("pictures", settings.EMBEDDING_IMAGE_MODEL), CompiledPictures)


def compiled_texts() -> TextEncoder | None:
    """Return the compiled encoder of words; None where there is none yet, or none that agrees."""
    from search.embedding.compiled import CompiledTexts  # noqa: PLC0415 - imports OpenVINO

    return _opened(_folder("words", settings.EMBEDDING_TEXT_MODEL), CompiledTexts)


def is_decided() -> bool:
    """Whether both models were compiled, or found to be used better as they are."""
    return all(Verdict.read(folder) is not None for folder in _folders().values())


def compile_pictures() -> Verdict:
    """Compile the model of pictures, unless that was done. Raises ModelUnavailable, and OSError for a full disk."""

    def make(draft: Path) -> Verdict:
        from search.embedding.compiled import About, CompiledPictures  # noqa: PLC0415 - imports OpenVINO
        from search.embedding.exporting import exported_pictures  # noqa: PLC0415 - imports torch
        from search.embedding.loading import torch_pictures  # noqa: PLC0415
        from search.embedding.samples import sample_pictures  # noqa: PLC0415

        exact, samples = torch_pictures(), sample_pictures()
        model, window = exported_pictures(exact.model)
        return _first_that_agrees(
            model,
            exact.exactly(samples),
            lambda precision: About(precision, window).write(draft),
            lambda: CompiledPictures(draft).encode_pictures(samples),
            draft,
        )

    return _decided(_folder("pictures", settings.EMBEDDING_IMAGE_MODEL), make)


def compile_texts() -> Verdict:
    """Compile the model of words, unless that was done. Raises ModelUnavailable, and OSError for a full disk."""

    def make(draft: Path) -> Verdict:
        from search.embedding.compiled import About, CompiledTexts  # noqa: PLC0415 - imports OpenVINO
        from search.embedding.exporting import exported_texts  # noqa: PLC0415 - imports torch
        from search.embedding.loading import torch_texts  # noqa: PLC0415
        from search.embedding.samples import sample_texts  # noqa: PLC0415

        exact, samples = torch_texts(), sample_texts()
        model, tokenizer = exported_texts(exact.model)
        tokenizer.save(str(draft / "tokenizer.json"))
        return _first_that_agrees(
            model,
            exact.exactly(samples),
            lambda precision: About(precision, None).write(draft),
            lambda: CompiledTexts(draft).encode_texts(samples),
            draft,
        )

    return _decided(_folder("words", settings.EMBEDDING_TEXT_MODEL), make)


def _first_that_agrees(
    model: "ov.Model", exact: Vectors, describe: Callable[[str], None], encode: Callable[[], Vectors], draft: Path
) -> Verdict:
    """Leave the fastest precision in `draft` whose vectors agree with the `exact` ones."""
    import openvino as ov

    from search.embedding.compiled import BFLOAT16, FLOAT32, INT8  # noqa: PLC0415 - imports OpenVINO
    from search.embedding.quantising import quantise  # noqa: PLC0415

    possible = [
        *([INT8] if hardware.multiplies_int8() else []),
        *([BFLOAT16] if hardware.multiplies_bfloat16() else []),
        FLOAT32,
    ]
    refused = []
    for precision in possible:
        attempt = model.clone()
        if precision == INT8:
            quantise(attempt)
        ov.save_model(attempt, draft / "model.xml", compress_to_fp16=precision == BFLOAT16)
        describe(precision)
        try:
            found = agreement(exact, encode())
        except WrongVectors as error:  # an overflow, say
            refused.append(f"{precision}: {error}")
            continue
        if found.is_enough:
            return Verdict(precision, "; ".join([*refused, f"{precision} agrees with float32: {found}"]))
        refused.append(f"{precision} does not agree with float32: {found}")
    return Verdict("", "; ".join(refused))


def _decided(folder: Path, make: Callable[[Path], Verdict]) -> Verdict:
    """Return what was decided before in `folder`, or have it made in a draft that gets this name when it is whole."""
    from search.embedding.forwards import UnknownModel  # noqa: PLC0415 - imports torch

    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.parent):
        if (known := Verdict.read(folder)) is not None:
            return known
        with tempfile.TemporaryDirectory(prefix="draft-", dir=folder.parent) as name:
            draft = Path(name) / "model"
            draft.mkdir()
            try:
                verdict = make(draft)
            except UnknownModel as reason:
                verdict = Verdict("", str(reason))
            if not verdict.precision:
                shutil.rmtree(draft)
                draft.mkdir()
            verdict.write(draft)
            shutil.rmtree(folder, ignore_errors=True)  # of a run that was cut off, or broken since
            draft.rename(folder)
        _forget_others(folder)
    logger.info("%s: %s", folder.name, verdict.why)
    return verdict


def _forget_others(folder: Path) -> None:
    """Remove what was compiled of this kind before, for another model, library or processor."""
    kind = folder.name.partition("-")[0]
    for other in folder.parent.glob(f"{kind}-*"):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)


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
        return load(folder)
    except Exception as error:  # whatever a damaged file makes OpenVINO raise
        logger.warning("The compiled model %s can't be used and is made anew: %s", folder, error)
        shutil.rmtree(folder, ignore_errors=True)
        return None


def _folders() -> dict[str, Path]:
    named = {"pictures": settings.EMBEDDING_IMAGE_MODEL, "words": settings.EMBEDDING_TEXT_MODEL}
    return {kind: _folder(kind, name) for kind, name in named.items()}


def _folder(kind: str, name: str) -> Path:
    """Return where the model `name` is kept, compiled by this library for this processor."""
    made_of = [
        FORMAT,
        fingerprint_of(name),
        version("openvino"),
        platform.machine(),
        hardware.multiplies_int8(),
        hardware.multiplies_bfloat16(),
    ]
    key = hashlib.sha256(repr(made_of).encode()).hexdigest()[:16]
    return Path(settings.MODELS_DIR) / f"{kind}-{key}"
