"""Models are loaded at the first need, once a process: the compiled ones, or those they are made from, which lie in a
folder, the Hugging Face cache or on the hub.
"""

import logging
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django.conf import settings

from search import decoding
from search.embedding import hardware, waiting
from search.embedding.compiling import compiled_pictures, compiled_texts, is_decided
from search.embedding.door import Door, PictureDoor, TextDoor
from search.embedding.errors import Loading, ModelUnavailable
from search.embedding.identity import forget_identities, is_folder, revision
from search.embedding.protocol import PictureEncoder, TextEncoder
from search.embedding.waiting import MOST_WAITING, Turn, bound_waiting, is_bounded
from search.models.image import DIMENSIONS

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from search.embedding.encoders import SentencePictures, SentenceTexts

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

    def __init__(
        self, load: Callable[[], Encoder], behind: Callable[[Encoder], Encoder] = lambda loaded: loaded
    ) -> None:
        """`behind` puts what is loaded behind its door."""
        self._load, self._behind = load, behind
        self._starting = threading.Lock()
        self._loader: threading.Thread | None = None
        self._places = threading.BoundedSemaphore(MOST_WAITING)
        self._turn = Turn(MOST_WAITING)
        self._encoder: Encoder | None = None
        self._failure = ""
        self._failed_at = 0.0

    def get(self) -> Encoder:
        if self._encoder is not None:
            return self._encoder
        if is_bounded():
            return self._get_soon()
        with self._turn.taken():
            if self._encoder is None:
                self._try()
            assert self._encoder is not None
            return self._encoder

    def _get_soon(self) -> Encoder:
        """Have it loaded by a thread of its own, and wait for that no longer than people do."""
        self._raise_if_failed_lately()
        with self._starting:
            if self._loader is None or not self._loader.is_alive():
                self._loader = threading.Thread(target=self._load_alone, name="model-loading", daemon=True)
                self._loader.start()
            loader = self._loader
        if not self._places.acquire(blocking=False):
            raise Loading
        try:
            loader.join(waiting.PATIENCE)
        finally:
            self._places.release()
        encoder = self._encoder
        if encoder is not None:
            return encoder
        self._raise_if_failed_lately()
        raise Loading

    def _load_alone(self) -> None:
        with suppress(ModelUnavailable), self._turn.taken():  # kept, and logged where it happened
            if self._encoder is None:
                self._try()

    def _raise_if_failed_lately(self) -> None:
        if self._failure and time.monotonic() - self._failed_at < RETRY_AFTER:
            # A new exception each time: one that is kept would hold on to every request that it went through.
            raise ModelUnavailable(self._failure)

    def _try(self) -> None:
        self._raise_if_failed_lately()
        failed_before = bool(self._failure)
        try:
            self._encoder, self._failure = self._behind(self._load()), ""
        except ModelUnavailable as error:
            self._failure, self._failed_at = str(error), time.monotonic()
            logger.error("%s", error)
            raise
        if failed_before:
            forget_identities()  # of the folder as it was then

    @property
    def status(self) -> Status:
        if self._encoder is not None:
            return Status.READY
        if self._turn.is_taken:
            return Status.LOADING
        return Status.FAILED if self._failure else Status.WAITING

    @property
    def failure(self) -> str:
        return self._failure

    @property
    def loaded(self) -> Encoder | None:
        return self._encoder

    def set(self, encoder: Encoder | None) -> None:
        """Use another encoder from now on; None: load at the next use what the settings name by then."""
        with self._turn.taken():
            self._encoder, self._failure = encoder and self._behind(encoder), ""


def _load_pictures() -> PictureEncoder:
    # A GPU is faster than anything compiled for the processor.
    if not hardware.has_gpu() and (compiled := compiled_pictures()):
        return compiled
    encoder = torch_pictures()
    _compile_meanwhile()
    return encoder


def _load_texts() -> TextEncoder:
    if compiled := compiled_texts():
        return compiled
    encoder = torch_texts()
    _compile_meanwhile()
    return encoder


def torch_pictures() -> "SentencePictures":
    """Load the model of pictures as it was downloaded. Raises ModelUnavailable."""
    from search.embedding.encoders import SentencePictures  # noqa: PLC0415 - imports torch

    name = settings.EMBEDDING_IMAGE_MODEL
    model = load_model(name)
    return _opened(name, lambda: SentencePictures(model))


def torch_texts() -> "SentenceTexts":
    """Load the model of words as it was downloaded. Raises ModelUnavailable."""
    from search.embedding.encoders import SentenceTexts  # noqa: PLC0415 - imports torch

    name = settings.EMBEDDING_TEXT_MODEL
    model = load_model(name)
    return _opened(name, lambda: SentenceTexts(model))


_pictures: _Once[PictureEncoder] = _Once(_load_pictures, lambda it: PictureDoor(it, settings.EMBEDDING_IMAGE_MODEL))
_texts: _Once[TextEncoder] = _Once(_load_texts, lambda it: TextDoor(it, settings.EMBEDDING_TEXT_MODEL))
_compiling = threading.Lock()
_compiling_failures: list[str] = []
_stopping = threading.Event()
_compiler: "subprocess.Popen[str] | None" = None


def _compile_meanwhile() -> None:
    """Have the models compiled by a process of its own, and use them as soon as they are there."""
    if not settings.COMPILE_MODELS or is_decided() or not _compiling.acquire(blocking=False):
        return

    def compile_and_use() -> None:
        global _compiler  # noqa: PLW0603 - there is one at most
        try:
            command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "compile_models"]
            _compiler = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)  # noqa: S603 - our own command
            _, complaints = _compiler.communicate()
            if _compiler.returncode and not _stopping.is_set():
                logger.warning("The models could not be compiled, and are used as they are: %s", complaints.strip())
            if _compiler.returncode:
                _compiling_failures[:] = [" ".join(complaints.split())[-500:] or f"exit status {_compiler.returncode}"]
                return
            _compiling_failures.clear()
            if (texts := compiled_texts()) and _texts.status is Status.READY:
                _texts.set(texts)
            if not hardware.has_gpu() and (pictures := compiled_pictures()) and _pictures.status is Status.READY:
                _pictures.set(pictures)
        finally:
            _compiling.release()

    threading.Thread(target=compile_and_use, name="model-compiling", daemon=True).start()


def stop_compiling() -> None:
    """End the process that compiles in the background, if there is one: nobody is left to use what it makes."""
    _stopping.set()
    if _compiler and _compiler.poll() is None:
        _compiler.terminate()


def picture_encoder() -> PictureEncoder:
    """Return the encoder for pictures. Raises ModelUnavailable."""
    return _pictures.get()


def text_encoder() -> TextEncoder:
    """Return the encoder for words. Raises ModelUnavailable."""
    return _texts.get()


def status() -> dict[str, str]:
    """Tell of each model whether it is ready, loading, waiting to be asked for, stuck, or why it failed."""
    return {"pictures": _status_of(_pictures), "words": _status_of(_texts)}


def _status_of(once: _Once[Any]) -> str:
    if isinstance(once.loaded, Door) and (seconds := once.loaded.stuck_for):
        return f"stuck: at one encoding for {seconds:.0f} s"
    return once.failure if once.status is Status.FAILED else once.status


def backends() -> dict[str, str]:
    """Return what computes the vectors of pictures and of words, "" for a model that is not loaded."""
    return {
        name: encoder.backend if (encoder := once.loaded) else ""
        for name, once in (("pictures", _pictures), ("words", _texts))
    }


def compiling_failure() -> str:
    """Return why the models could not be compiled when this process tried to have it done; "" if nothing is known."""
    return "".join(_compiling_failures)


def warm_up() -> None:
    """Load the model for words in the background, if it is not loaded yet. Failures show in `status`.

    The one for pictures is loaded when the first picture comes: many workers never see one.
    """

    def load() -> None:
        with suppress(ModelUnavailable):  # logged where it happened, and told by `status`
            _texts.get()

    if _texts.status in {Status.WAITING, Status.FAILED}:
        threading.Thread(target=load, name="model-loading", daemon=True).start()


def load_before_forking(meanwhile: Callable[[], None] = lambda: None) -> None:
    """Load the compiled model for words, if there is one, so that the workers of a server share its memory.

    Encodings take one thread each from now on: one that has more threads would lose them in a fork.

    `meanwhile` is done while OpenVINO compiles, in a thread that doesn't hold Python's lock and ends before this
    returns.
    """
    from search.embedding.compiled import core  # noqa: PLC0415 - imports OpenVINO

    hardware.take_one_thread_each()
    core()  # which belongs to the thread that makes it
    with ThreadPoolExecutor(1, thread_name_prefix="model-loading") as pool:
        loading = pool.submit(_share_texts)
        meanwhile()
    loading.result()


def _share_texts() -> None:
    if texts := compiled_texts():
        _texts.set(texts)


def start_serving() -> None:
    """Prepare a worker of a server: nobody waits for long, and the first search isn't the slow one."""
    hardware.take_one_thread_each()
    bound_waiting()
    decoding.bound_waiting()
    warm_up()


def forget_models() -> None:
    """Drop the loaded models, so that the next use loads those that the settings name by then."""
    _pictures.set(None)
    _texts.set(None)


def load_model(name: str) -> "SentenceTransformer":
    """Load the model in the folder `name`, or with that id from the cache or the hub. Raises ModelUnavailable."""
    from search.embedding.encoders import open_model  # noqa: PLC0415 - imports torch

    if is_folder(name):
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
    torch_pictures()
    torch_texts()
    return [settings.EMBEDDING_IMAGE_MODEL, settings.EMBEDDING_TEXT_MODEL]


def models_at_hand() -> bool:
    """Whether both models are folders, in the local cache, or to be had from the hub. Downloads nothing."""
    names = (settings.EMBEDDING_IMAGE_MODEL, settings.EMBEDDING_TEXT_MODEL)
    return all(is_folder(name) or _is_cached(name) for name in names) or hub_in_reach()


def _is_cached(name: str) -> bool:
    return bool(revision(name))


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
