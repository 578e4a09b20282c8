"""The pair of models that this process uses: the environment's, or the one chosen since by `switch_model`.

The choice is a database row, which is polled every few seconds when needed. A request keeps the first value it read,
so that it uses one model throughout.
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
"""Seconds for which a process caches the choice."""
NOTICED = 10.0
"""Seconds after a change was noticed until no request is left that began before it. Excludes processes that are still
loading the new model: they continue with the old one, and know it."""
RETRY = 30.0
"""Seconds after which loading a model is retried."""


class Pair(NamedTuple):
    """Two models with a common vector space, as operators name them: hub ids, or folders."""

    image: str
    text: str


@dataclass(frozen=True, slots=True)
class Named:
    """A pair of models, and the name of its image model in rows."""

    pair: Pair
    model: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What a process uses: a pair, and the name of its image model in rows as `model`, "" if only the model itself has
    it. Rows that name one of `also` have vectors of `model` too. `next` is a pair in preparation, for which new
    pictures get vectors as well."""

    pair: Pair
    model: str = ""
    also: tuple[str, ...] = ()
    next: Named | None = None


@dataclass(frozen=True, slots=True)
class Switch:
    """The database row: see `search.models.model_switch`."""

    active: Named
    environment: Pair
    next: Named | None
    kept: Named | None
    uncopied: str

    def counts_with(self, environment: Pair) -> bool:
        """Whether the choice applies where the environment names these models: a later change of the environment
        wins."""
        return same_models(environment, self.environment) or same_models(environment, self.active.pair)

    def choice(self, serving: Named) -> Choice:
        """Return the choice of a process that uses `serving`, because it has not noticed a change, or is still
        loading."""
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
    """Return the models named by the environment."""
    return Pair(settings.EMBEDDING_IMAGE_MODEL, settings.EMBEDDING_TEXT_MODEL)


def same_models(one: Pair, other: Pair) -> bool:
    """Whether both name the same models, in whatever notation of folders."""
    return one == other or [_written(name) for name in one] == [_written(name) for name in other]


def _written(name: str) -> str:
    """Return a name in one notation: the resolved path for a folder."""
    return str(Path(name).resolve()) if Path(name).exists() else name


class _Held:
    """The choice of one request; None until needed."""

    def __init__(self, choice: Choice | None) -> None:
        self.choice = choice


_held: ContextVar[_Held | None] = ContextVar("held", default=None)


def chosen() -> Choice:
    """Return the pair to use: constant within `one_choice`."""
    held = _held.get()
    if held is None:
        return _process.choice()
    if held.choice is None:
        held.choice = _process.choice()
    return held.choice


@contextmanager
def one_choice(choice: Choice | None = None) -> Iterator[None]:
    """Context in which `chosen` is constant: `choice`, or its value at the first call."""
    if choice is None and _held.get() is not None:
        yield
        return
    token = _held.set(_Held(choice))
    try:
        yield
    finally:
        _held.reset(token)


def within(choice: Choice, work: Callable[..., Any]) -> Callable[..., Any]:
    """Return `work` wrapped to use `choice` in another thread."""

    def run(*args: Any) -> Any:
        with one_choice(choice):
            return work(*args)

    return run


class _Process:
    """The state of this process."""

    def __init__(self) -> None:
        self.switch: Switch | None = None
        self.serving: Named | None = None
        self.look_at = -math.inf
        self.is_known = False
        # Loads a pair in a server, in the background so that no request waits for it; None elsewhere.
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
            # Not migrated, or not reachable, which others report: keep the cached choice.
            logger.debug("The choice of models could not be read: %s", error)
        else:
            if switch and self.is_known and self.serving is None:
                self.serving = self._of_environment(switch)
            self.switch, self.is_known = switch, True
            self.follow()
        self.look_at = time.monotonic() + LOOK_EVERY

    def _of_environment(self, switch: Switch) -> Named | None:
        """Return the pair of the environment if the switch knows it: what a process used that has not known of a
        switch."""
        known = (switch.active, switch.kept, switch.next)
        return next((named for named in known if named and same_models(named.pair, environment())), None)

    def follow(self) -> None:
        """Change to the active pair, as soon as it can be used."""
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
            logger.error("The chosen models can't be loaded; keeping the previous ones: %s", error)
            return
        logger.info("Now using %s and %s.", *active.pair)
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
        # Not every calling thread closes its connection at the end, as requests do.
        if not was_open and not connection.in_atomic_block:
            connection.close()


def _read_alone() -> Switch | None:
    with psycopg.connect(**connections["default"].get_connection_params()) as own:
        return _switch_of(own.execute(_READ).fetchone())


def look_before_forking() -> None:
    """Read the choice over a separate connection, and not again until `follow_choice`: no child may inherit one."""
    _process.look(_read_alone)
    _process.look_at = math.inf


def follow_choice(load: Callable[[Pair], None]) -> None:
    """Follow the choice from now on, as a server does: `load` loads new models in a thread; the old ones stay in use
    meanwhile."""
    _process.load, _process.look_at = load, -math.inf


def look_again() -> None:
    """Read the choice when it is needed next."""
    _process.look_at = -math.inf


def known_switch() -> Switch | None:
    """Return the switch as this process knows it, whether it applies or not."""
    _process.choice()
    return _process.switch


def pair_of(model: str) -> Pair | None:
    """Return the pair whose image model has this name in rows; None if the switch knows none."""
    switch = known_switch()
    named = [one for one in (switch.active, switch.next, switch.kept) if one] if switch else []
    return next((one.pair for one in named if one.model == model), None)


def is_lagging() -> bool:
    """Whether this process still uses other models than the chosen ones."""
    switch = known_switch()
    return bool(switch and _process.serving and _process.serving != switch.active)


def forget_choice(*, look: bool) -> None:
    """For tests: reset the state; read the choice when needed next, or never."""
    global _process  # noqa: PLW0603 - state of this process
    _process = _Process()
    _process.is_known = not look
    _process.look_at = -math.inf if look else math.inf
