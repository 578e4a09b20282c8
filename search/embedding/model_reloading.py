"""Switching of models in a server: new ones are loaded beside those in use, and used when complete."""

import threading
from collections.abc import Callable
from contextlib import suppress

from search.embedding.compiled_store import PICTURES
from search.embedding.errors import Loading, ModelUnavailable
from search.embedding.lazy_loading import Status
from search.embedding.load_shedding import is_bounded
from search.embedding.loading import active_encoders, encoders_of, forget, names_in_use
from search.embedding.protocol import PictureEncoder
from search.models.active_pair import Pair, chosen, follow_choice

LET_GO_AFTER = 60.0
"""Seconds for which the old models stay loaded: requests that began with them have ended by then."""
_LOOK_AGAIN = 0.2


def follow_switches() -> None:
    """From now on use the models chosen by `switch_model`, as soon as they are loaded."""
    follow_choice(bring)


def bring(pair: Pair) -> None:
    """Load what this process needs to use `pair`, however long that takes. Raises ModelUnavailable."""
    before = active_encoders()
    encoders = encoders_of(*pair)
    needed: list[Callable[[], object]] = [encoders.texts]
    if before.loaded[PICTURES] is not None:
        needed.append(encoders.pictures)
    for get in needed:
        while True:
            try:
                get()
                break
            except Loading:
                threading.Event().wait(_LOOK_AGAIN)
    old = {before.image_name, before.text_name} - set(pair)
    letting_go = threading.Timer(LET_GO_AFTER, _let_go, [old])
    letting_go.daemon = True
    letting_go.start()


def _let_go(names: set[str]) -> None:
    now = active_encoders()
    for name in names - {now.image_name, now.text_name}:
        forget(name)


def forget_unused() -> None:
    """Unload models that are neither active nor in preparation, in commands that run for months."""
    choice = chosen()
    used = {*choice.pair, *(choice.next.pair if choice.next else ())}
    for name in names_in_use() - used:
        forget(name)


def other_picture_encoder(pair: Pair) -> PictureEncoder | None:
    """Return the image encoder of a pair that is not active; in a server, start loading it and return None until it is
    loaded. Raises ModelUnavailable."""
    encoders = encoders_of(*pair)
    if not is_bounded() or encoders.loaded[PICTURES] is not None:
        return encoders.pictures()

    def load() -> None:
        with suppress(ModelUnavailable):  # logged at its source
            encoders.pictures()

    if encoders.status()[PICTURES] in {Status.WAITING, Status.FAILED}:
        threading.Thread(target=load, name="model-loading", daemon=True).start()
    return None
