"""Which pair of models this process answers with: the environment's, or the one that `switch_model` has chosen since.

The choice is a row of the database, looked at every few seconds by who needs it. A request holds on to what it met
first, so that it answers from one model from its beginning to its end.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, connections

logger = logging.getLogger(__name__)

LOOK_EVERY = 3.0
"""Seconds for which a process knows what was chosen."""
NOTICED = 10.0
"""Seconds after which nothing is under way any more that began before a change was noticed: not counting processes
that load the new model first, which go on with the old one, and know that."""
RETRY = 30.0
"""Seconds after which a model that could not be loaded is tried again."""


class Pair(NamedTuple):
    """Two models that share one space, as operators write them: ids on the hub, or folders."""

    image: str
    text: str


@dataclass(frozen=True, slots=True)
class Named:
    """A pair of models, and what rows call its model of pictures."""

    pair: Pair
    model: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What one process answers with. `model` is what rows call its model of pictures, "" where only the models
    themselves tell. Rows that name one of `also` have its vectors too. `next` is what is being prepared, whose vectors
    new pictures get as well."""

    pair: Pair
    model: str = ""
    also: tuple[str, ...] = ()
    next: Named | None = None


@dataclass(frozen=True, slots=True)
class Switch:
    """What the row says: see `search.models.switches`."""

    active: Named
    environment: Pair
    next: Named | None
    kept: Named | None
    uncopied: str

    def counts_with(self, environment: Pair) -> bool:
        """Whether the choice counts where the environment names these models: whoever changed them spoke last."""
        return same_models(environment, self.environment) or same_models(environment, self.active.pair)

    def choice(self, serving: Named) -> Choice:
        """What a process answers with that has not noticed, or can't yet follow, a change away from `serving`."""
        others = (self.uncopied,) if serving == self.active else (self.active.model, self.uncopied)
        also = tuple(dict.fromkeys(name for name in others if name not in ("", serving.model)))
        is_new = self.next and self.next.model != self.active.model and serving == self.active
        return Choice(serving.pair, serving.model, also, self.next if is_new else None)


_COLUMNS = (
    "image, text, model, environment_image, environment_text, next_image, next_text, next_model,"
    " kept_image, kept_text, kept_model, uncopied"
)
_READ = f"SELECT {_COLUMNS} FROM search_modelswitch"  # noqa: S608 - constants


def _switch_of(row: Any) -> Switch | None:
    if row is None:
        return None
    image, text, model, env_image, env_text, *others, uncopied = row
    following, kept = (Named(Pair(*names[:2]), names[2]) if names[0] else None for names in (others[:3], others[3:]))
    return Switch(Named(Pair(image, text), model), Pair(env_image, env_text), following, kept, uncopied)


def environment() -> Pair:
    """Return the models that the environment names."""
    return Pair(settings.EMBEDDING_IMAGE_MODEL, settings.EMBEDDING_TEXT_MODEL)


def same_models(one: Pair, other: Pair) -> bool:
    """Whether both name the same models, however their folders are written."""
    return one == other or [_written(name) for name in one] == [_written(name) for name in other]


def _written(name: str) -> str:
    """The same for a folder however it is written."""
    return str(Path(name).resolve()) if Path(name).exists() else name


class _Held:
    """What one request has met; None until it needs it."""

    def __init__(self, choice: Choice | None) -> None:
        self.choice = choice


_held: ContextVar[_Held | None] = ContextVar("held", default=None)


def chosen() -> Choice:
    """Return what to answer with: within `one_choice` always the same."""
    held = _held.get()
    if held is None:
        return _process.choice()
    if held.choice is None:
        held.choice = _process.choice()
    return held.choice


@contextmanager
def one_choice(choice: Choice | None = None) -> Iterator[None]:
    """Within it, `chosen` is always the same: `choice`, or what it is when it is asked for first."""
    if choice is None and _held.get() is not None:
        yield
        return
    token = _held.set(_Held(choice))
    try:
        yield
    finally:
        _held.reset(token)


def within(choice: Choice, work: Callable[..., Any]) -> Callable[..., Any]:
    """Return `work` for another thread, which does it with `choice`."""

    def run(*args: Any) -> Any:
        with one_choice(choice):
            return work(*args)

    return run


class _Process:
    """What this process knows."""

    def __init__(self) -> None:
        self.switch: Switch | None = None
        self.serving: Named | None = None
        self.look_at = -math.inf
        self.is_known = False
        # Loads a pair in a server, where nobody should have to wait for it; None elsewhere.
        self.load: Callable[[Pair], None] | None = None
        self.looking = threading.Lock()
        self._loader: threading.Thread | None = None
        self._retry_at = -math.inf

    def choice(self) -> Choice:
        if time.monotonic() >= self.look_at and self.looking.acquire(blocking=not self.is_known):
            try:
                if time.monotonic() >= self.look_at:
                    self.look(_read)
            finally:
                self.looking.release()
        switch, serving, here = self.switch, self.serving, environment()
        if switch is None or serving is None or not switch.counts_with(here):
            return Choice(here)
        return switch.choice(serving)

    def look(self, read: Callable[[], Switch | None]) -> None:
        try:
            switch = read()
        except (DatabaseError, InterfaceError, psycopg.Error) as error:
            # Not migrated, or away, of which others tell: what was known goes on.
            logger.debug("Which models were chosen can't be asked: %s", error)
        else:
            if switch and self.is_known and self.serving is None:
                self.serving = self._of_environment(switch)
            self.switch, self.is_known = switch, True
            self.follow()
        self.look_at = time.monotonic() + LOOK_EVERY

    def _of_environment(self, switch: Switch) -> Named | None:
        """Return what a process answers with that has known of no switch until now, where that is kept."""
        known = (switch.active, switch.kept, switch.next)
        return next((named for named in known if named and same_models(named.pair, environment())), None)

    def follow(self) -> None:
        """Change over to what is active by now, as soon as that can be answered with."""
        switch = self.switch
        if switch is None or not switch.counts_with(environment()):
            self.serving = None
            return
        stays = self.serving is not None and self.serving in (switch.kept, switch.next) and self.load
        if not stays or self.serving == switch.active:
            self.serving = switch.active
        elif (self._loader is None or not self._loader.is_alive()) and time.monotonic() >= self._retry_at:
            self._loader = threading.Thread(
                target=self._change_to, args=[switch.active], name="model-loading", daemon=True
            )
            self._loader.start()

    def _change_to(self, active: Named) -> None:
        assert self.load
        try:
            self.load(active.pair)
        except Exception as error:
            self._retry_at = time.monotonic() + RETRY
            logger.error("The models that were chosen can't be used, the others go on: %s", error)
            return
        logger.info("Answering with %s and %s from now on.", *active.pair)
        if self.switch and self.switch.active == active:
            self.serving = active


_process = _Process()


def _read() -> Switch | None:
    was_open = connection.connection is not None
    try:
        with connection.cursor() as cursor:
            cursor.execute(_READ)
            return _switch_of(cursor.fetchone())
    finally:
        # Not every thread that asks gives its connection back at an end, as requests do.
        if not was_open and not connection.in_atomic_block:
            connection.close()


def _read_alone() -> Switch | None:
    with psycopg.connect(**connections["default"].get_connection_params()) as own:
        return _switch_of(own.execute(_READ).fetchone())


def look_before_forking() -> None:
    """Look over a connection of its own, and not again until `follow_choice`: no other process may inherit one."""
    _process.look(_read_alone)
    _process.look_at = math.inf


def follow_choice(load: Callable[[Pair], None]) -> None:
    """From now on follow what is chosen, as a server does: after `load`, in a thread of its own, has brought the new
    models. Until then the old ones go on."""
    _process.load, _process.look_at = load, -math.inf


def look_again() -> None:
    """Look at what is chosen when it is needed next."""
    _process.look_at = -math.inf


def known_switch() -> Switch | None:
    """Return what this process knows of the switch, whether it counts or not."""
    _process.choice()
    return _process.switch


def pair_of(model: str) -> Pair | None:
    """Return how an operator writes the models of the set that rows name so; None where the switch knows none."""
    switch = known_switch()
    named = [one for one in (switch.active, switch.next, switch.kept) if one] if switch else []
    return next((one.pair for one in named if one.model == model), None)


def is_lagging() -> bool:
    """Whether this process still answers with other models than those that were chosen."""
    switch = known_switch()
    return bool(switch and _process.serving and _process.serving != switch.active)


def forget_choice(*, look: bool) -> None:
    """Know nothing any more, and look at it when it is needed next, or never: for tests."""
    global _process  # noqa: PLW0603 - what this process knows
    _process = _Process()
    _process.is_known = not look
    _process.look_at = -math.inf if look else math.inf
