"""Models are loaded at the first need, once a process, from a folder, the Hugging Face cache or the hub."""

import logging
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from django.conf import settings

from search.embedding.errors import ModelUnavailable
from search.embedding.protocol import PictureEncoder, TextEncoder
from search.models.image import DIMENSIONS

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

# torch's threads wait for each other by spinning, and starve the threads that decode pictures meanwhile. With a short
# spin ingestion was 1.1 to 2.5 times as fast, at two thirds of the processor time, in three interleaved runs on two
# busy cores, and a query no slower. Read once, when torch is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

HUB_PATIENCE = 3.0
"""Seconds for the hub to answer. Its own client tries for more than a minute before it gives up."""
RETRY_AFTER = 30.0
"""Seconds before a model that failed to load is tried again: not at every search."""

Encoder = TypeVar("Encoder")
Opened = TypeVar("Opened")


class Status(StrEnum):
    WAITING = "waiting"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


class _Once(Generic[Encoder]):
    """An encoder that is loaded at its first use. Threads that ask meanwhile wait for the one that loads it."""

    def __init__(self, load: Callable[[], Encoder]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._encoder: Encoder | None = None
        self._failure = ""
        self._failed_at = 0.0

    def get(self) -> Encoder:
        if self._encoder is not None:
            return self._encoder
        with self._lock:
            if self._encoder is None:
                self._try()
            assert self._encoder is not None
            return self._encoder

    def _try(self) -> None:
        if self._failure and time.monotonic() - self._failed_at < RETRY_AFTER:
            # A new exception each time: one that is kept would hold on to every request that it went through.
            raise ModelUnavailable(self._failure)
        try:
            self._encoder, self._failure = self._load(), ""
        except ModelUnavailable as error:
            self._failure, self._failed_at = str(error), time.monotonic()
            logger.error("%s", error)
            raise

    @property
    def status(self) -> Status:
        if self._encoder is not None:
            return Status.READY
        if self._lock.locked():
            return Status.LOADING
        return Status.FAILED if self._failure else Status.WAITING

    @property
    def failure(self) -> str:
        return self._failure

    def forget(self) -> None:
        with self._lock:
            self._encoder, self._failure = None, ""


def _load_pictures() -> PictureEncoder:
    from search.embedding.encoders import SentencePictures  # noqa: PLC0415 - imports torch

    name = settings.EMBEDDING_IMAGE_MODEL
    model = load_model(name)
    return _opened(name, lambda: SentencePictures(model))


def _load_texts() -> TextEncoder:
    from search.embedding.encoders import SentenceTexts  # noqa: PLC0415 - imports torch

    name = settings.EMBEDDING_TEXT_MODEL
    model = load_model(name)
    return _opened(name, lambda: SentenceTexts(model))


_pictures = _Once(_load_pictures)
_texts = _Once(_load_texts)


def picture_encoder() -> PictureEncoder:
    """Return the encoder for pictures. Raises ModelUnavailable."""
    return _pictures.get()


def text_encoder() -> TextEncoder:
    """Return the encoder for words. Raises ModelUnavailable."""
    return _texts.get()


def status() -> dict[str, str]:
    """Tell of each model whether it is ready, loading, waiting to be asked for, or why it failed."""
    return {
        name: once.failure if once.status is Status.FAILED else once.status
        for name, once in (("pictures", _pictures), ("words", _texts))
    }


def warm_up() -> None:
    """Load in the background what is not loaded yet. Failures show in `status`."""

    def load(once: _Once[PictureEncoder] | _Once[TextEncoder]) -> None:
        with suppress(ModelUnavailable):  # logged where it happened, and told by `status`
            once.get()

    for once in (_texts, _pictures):
        if once.status in {Status.WAITING, Status.FAILED}:
            threading.Thread(target=load, args=[once], name="model-loading", daemon=True).start()


def forget_models() -> None:
    """Drop the loaded models, so that the next use loads those that the settings name by then."""
    _pictures.forget()
    _texts.forget()


def load_model(name: str) -> "SentenceTransformer":
    """Load the model in the folder `name`, or with that id from the cache or the hub. Raises ModelUnavailable."""
    from search.embedding.encoders import open_model  # noqa: PLC0415 - imports torch

    if Path(name).is_dir():
        return _opened(name, lambda: open_model(name, local_files_only=True))
    try:
        return open_model(name, local_files_only=True)
    except Exception:
        logger.info("Model %s is not in the local cache.", name)
    if not hub_in_reach():
        raise ModelUnavailable(
            f"The model {name} is not on this machine, and the Hugging Face hub does not answer. Connect it once and "
            "run `manage.py download_models`, or set EMBEDDING_IMAGE_MODEL and EMBEDDING_TEXT_MODEL to folders."
        )
    return _opened(name, lambda: open_model(name, local_files_only=False))


def _opened(name: str, load: Callable[[], Opened]) -> Opened:
    try:
        return load()
    # The loaders raise whatever they meet: OSError, ValueError, KeyError, RuntimeError, ...
    except Exception as error:
        raise ModelUnavailable(
            f"The model {name} can't be used ({type(error).__name__}: {error}). It must be the folder or the hub id "
            f"of a sentence-transformers model with vectors of {DIMENSIONS} dimensions; check EMBEDDING_IMAGE_MODEL "
            "and EMBEDDING_TEXT_MODEL."
        ) from error


def download_models() -> list[str]:
    """Bring both models to this machine and try them once; return their names. Raises ModelUnavailable."""
    _load_pictures()
    _load_texts()
    return [settings.EMBEDDING_IMAGE_MODEL, settings.EMBEDDING_TEXT_MODEL]


def models_at_hand() -> bool:
    """Whether both models are folders, in the local cache, or to be had from the hub. Downloads nothing."""
    names = (settings.EMBEDDING_IMAGE_MODEL, settings.EMBEDDING_TEXT_MODEL)
    return all(Path(name).is_dir() or _is_cached(name) for name in names) or hub_in_reach()


def _is_cached(name: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(name, "modules.json"), str)


def hub_in_reach() -> bool:
    """Whether the Hugging Face hub answers, decided within HUB_PATIENCE seconds."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    answered: list[bool] = []

    def ask() -> None:
        try:
            request = urllib.request.Request(constants.ENDPOINT, method="HEAD")  # noqa: S310 - the operator's own setting
            urllib.request.urlopen(request, timeout=HUB_PATIENCE).close()  # noqa: S310
        except urllib.error.HTTPError:
            pass  # it answered
        except (OSError, ValueError):
            return
        answered.append(True)

    # In a thread, since no timeout bounds the look-up of a host name.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(HUB_PATIENCE)
    return bool(answered)
