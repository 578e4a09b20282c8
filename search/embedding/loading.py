"""Loading of models at the first use, once per process: compiled ones, or else uncompiled ones.

Loaded models are kept by name: two pairs can be in use at once, as during a switch.
"""

import gc
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from search import decoding
from search.embedding import hardware
from search.embedding.background_compiling import compile_in_background
from search.embedding.compiled_store import PICTURES, WORDS, compiled_pictures, compiled_texts
from search.embedding.errors import ModelUnavailable
from search.embedding.guarded_encoders import GuardedEncoder, GuardedPictures, GuardedTexts
from search.embedding.lazy_loading import Once, Status
from search.embedding.load_shedding import bound_waiting
from search.embedding.model_identity import active_pair, identity_of
from search.embedding.protocol import PictureEncoder, TextEncoder
from search.embedding.uncompiled_models import torch_pictures, torch_texts


@dataclass(frozen=True, slots=True)
class Encoders:
    """The two encoders of a pair of models, each loaded on demand. Created by `encoders_of`."""

    image_name: str
    text_name: str

    @property
    def model(self) -> str:
        """The name of the image model in rows (`Image.embedding_model`)."""
        return identity_of(self.image_name)

    @property
    def text_model(self) -> str:
        return identity_of(self.text_name)

    def pictures(self) -> PictureEncoder:
        """Return the encoder for pictures. Raises ModelUnavailable."""
        return cast("PictureEncoder", once_of(PICTURES, self.image_name).get())

    def texts(self) -> TextEncoder:
        """Return the encoder for texts. Raises ModelUnavailable."""
        return cast("TextEncoder", once_of(WORDS, self.text_name).get())

    @property
    def loaded(self) -> dict[str, PictureEncoder | TextEncoder | None]:
        """The encoders of PICTURES and WORDS, None if not loaded."""
        return {kind: once.loaded for kind, once in self._onces.items()}

    def status(self) -> dict[str, str]:
        """Return for each model: ready, loading, waiting (for its first use), stuck, or why it failed."""
        return {kind: _status_of(once) for kind, once in self._onces.items()}

    def warm_up(self) -> None:
        """Load the text model in the background, unless loaded. Failures show in `status`.

        The image model is loaded with the first picture: many workers never get one.
        """
        once = once_of(WORDS, self.text_name)

        def load() -> None:
            with suppress(ModelUnavailable):  # logged at its source, and shown by `status`
                once.get()

        if once.status in {Status.WAITING, Status.FAILED}:
            threading.Thread(target=load, name="model-loading", daemon=True).start()

    @property
    def _onces(self) -> "dict[str, Once[Any]]":
        return {PICTURES: once_of(PICTURES, self.image_name), WORDS: once_of(WORDS, self.text_name)}


def encoders_of(image_model: str, text_model: str) -> Encoders:
    """Return the encoders of any two models, active or not, by the names that operators use. Loads nothing."""
    return Encoders(image_model, text_model)


def active_encoders() -> Encoders:
    """Return the encoders that searches and uploads use."""
    return Encoders(*active_pair())


def picture_encoder() -> PictureEncoder:
    """Return the active encoder for pictures. Raises ModelUnavailable."""
    return active_encoders().pictures()


def text_encoder() -> TextEncoder:
    """Return the active encoder for texts. Raises ModelUnavailable."""
    return active_encoders().texts()


def status() -> dict[str, str]:
    """Return for each active model: ready, loading, waiting (for its first use), stuck, or why it failed."""
    return active_encoders().status()


def _status_of(once: Once[Any]) -> str:
    if isinstance(once.loaded, GuardedEncoder) and (seconds := once.loaded.stuck_for):
        return f"stuck: at one encoding for {seconds:.0f} s"
    return once.failure if once.status is Status.FAILED else once.status


def backends() -> dict[str, str]:
    """Return the backends for pictures and for texts, "" for a model that is not loaded."""
    return {kind: encoder.backend if encoder else "" for kind, encoder in active_encoders().loaded.items()}


def warm_up() -> None:
    """Load the active text model in the background, unless loaded."""
    active_encoders().warm_up()


_onces: "dict[tuple[str, str], Once[Any]]" = {}
_onces_lock = threading.Lock()


def once_of(kind: str, name: str = "") -> "Once[Any]":
    """Return the holder of a model's encoder, by default the active one's, for PICTURES or WORDS."""
    name = name or (active_pair().image if kind == PICTURES else active_pair().text)
    with _onces_lock:
        if (kind, name) not in _onces:
            made: Once[Any] = (
                Once(lambda: _load_pictures(name), lambda it: GuardedPictures(it, name))
                if kind == PICTURES
                else Once(lambda: _load_texts(name), lambda it: GuardedTexts(it, name))
            )
            _onces[kind, name] = made
        return _onces[kind, name]


def names_in_use() -> set[str]:
    """Return the names of the models that were used in this process."""
    with _onces_lock:
        return {name for _kind, name in _onces}


def forget(name: str) -> None:
    """Unload the model `name`; its memory is freed when its last encoding has ended."""
    _forget([key for key in _onces if key[1] == name])


def forget_models() -> None:
    """Unload all models; the next use loads them again."""
    _forget(list(_onces))


def _forget(keys: list[tuple[str, str]]) -> None:
    with _onces_lock:
        dropped = [_onces.pop(key, None) for key in keys]
    for once in dropped:
        if once is not None and isinstance(once.loaded, GuardedEncoder):
            once.loaded.close()
    if dropped:
        del dropped, once
        gc.collect()  # torch's models contain reference cycles


def _load_pictures(name: str) -> PictureEncoder:
    # A GPU is faster than anything compiled for the processor.
    if not hardware.has_gpu() and (compiled := compiled_pictures(name)):
        return compiled
    encoder = torch_pictures(name)
    compile_in_background(PICTURES, name, _use_compiled)
    return encoder


def _load_texts(name: str) -> TextEncoder:
    if compiled := compiled_texts(name):
        return compiled
    encoder = torch_texts(name)
    compile_in_background(WORDS, name, _use_compiled)
    return encoder


def _use_compiled(kind: str, name: str) -> None:
    """Replace a loaded model by its compiled version."""
    once = _onces.get((kind, name))
    if once is None or once.status is not Status.READY:
        return
    if kind == WORDS and (texts := compiled_texts(name)):
        once.set(texts)
    if kind == PICTURES and not hardware.has_gpu() and (pictures := compiled_pictures(name)):
        once.set(pictures)


def load_before_forking(meanwhile: Callable[[], None] = lambda: None) -> None:
    """Load the compiled text model, if there is one, so that a server's workers share its memory.

    Encodings use one thread each from now on: further threads would not survive a fork.

    `meanwhile` is called while OpenVINO compiles in another thread, without Python's lock; that thread has ended when
    this returns.
    """
    from search.embedding.openvino_encoders import core  # noqa: PLC0415 - imports OpenVINO

    hardware.take_one_thread_each()
    core()  # belongs to the thread that creates it
    with ThreadPoolExecutor(1, thread_name_prefix="model-loading") as pool:
        loading = pool.submit(_share_texts)
        meanwhile()
    loading.result()


def _share_texts() -> None:
    if texts := compiled_texts():
        once_of(WORDS).set(texts)


def start_serving() -> None:
    """Prepare a worker of a server: limit waiting, and load the text model before the first search."""
    hardware.take_one_thread_each()
    bound_waiting()
    decoding.bound_waiting()
    warm_up()
