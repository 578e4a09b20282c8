"""A run is written down in the database as it goes on: it works in another process than the site, often on another
machine. `search.models.runs` says what is kept of it."""

import datetime as dt
import getpass
import logging
import os
import platform
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from django.conf import settings
from django.db import Error, connection
from django.db.models.functions import Now
from django.utils import timezone

from search.ingestion.report import MOST_NAMED, MOST_OTHERS_NAMED, LeftOut, Progress, Report, Why
from search.ingestion.sources.names import storable
from search.models import Run, RunFile

logger = logging.getLogger(__name__)

NOTED_EVERY = 10.0
"""Seconds."""
_LAST_WORD = 2.0
"""Seconds for which a run that ends waits for its thread, which may be saying just now that it goes on."""
_AT_ONCE = 1_000
"""Names of files that are written together."""
_FORGOTTEN_AT_ONCE = 100
LONGEST_NAME, LONGEST_REASON = 2_000, 1_000


@dataclass(frozen=True, slots=True)
class Origin:
    """Who started a run, and what it was told: `places` and `options` as `search.models.Run` has them."""

    door: str = Run.Door.COMMAND
    by: Any = None
    places: Sequence[str] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    retries: int | None = None


def account() -> str:
    """Return the name of the account of the system that this process runs as."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # as in containers, where nobody has given it a name
        return str(os.getuid())


class Record:
    """Notes a run while the block lasts. Entered again, it goes on with the same run, as after an outage, or as
    `ingest --watch` does, round by round.

    What the ledger can't be told hinders no run: where the database is what failed, the run itself tells.
    """

    def __init__(self, kind: str = Run.Kind.INGEST, origin: Origin | None = None) -> None:
        self.key: int | None = None
        # Files that are left alone by kind, where the run's source counts them.
        self.left_alone: Callable[[], Mapping[str, int]] = dict
        self._kind, self._origin = kind, origin or Origin()
        self._report = Report()
        self._unnamed: int | None = None
        # What earlier rounds have brought.
        self._before: Counter[str] = Counter()
        self._named: set[int] = set()
        self._names = Counter[Why]()
        self._last = 0.0
        self._silence = threading.Event()
        self._speaker: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._report, self._last = Report(), time.monotonic()
        self._silence = threading.Event()
        if self.key is None:
            self.key = self._begin()
        else:
            Run.objects.filter(pk=self.key).update(outcome="", ended=None, problem="", noted=Now())
            if not self._before:  # it is all done once more, as after an outage
                RunFile.objects.filter(run=self.key).delete()
                self._named.clear()
                self._names.clear()
        self._speaker = _keep_alive(self.key, self._silence)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._silence.set()
        if self._speaker:
            self._speaker.join(_LAST_WORD)
        stopped = self._report.stopped or isinstance(error, KeyboardInterrupt)
        outcome = Run.Outcome.STOPPED if stopped else Run.Outcome.FAILED if error else Run.Outcome.DONE
        if isinstance(error, SystemExit):  # by which commands say that some pictures failed
            outcome = Run.Outcome.DONE
        problem = str(error).strip()[:LONGEST_REASON] if error and outcome == Run.Outcome.FAILED else ""
        try:
            self._note(ended=Now(), outcome=outcome, problem=problem.replace("\0", ""))
        except Error as failure:
            logger.warning("The end of this run is not in the ledger: %s", failure)

    def noting(self, progress: Progress = lambda report: None) -> Progress:
        """Return what is to be called with the report of the run, and hands on to `progress`."""

        def note(report: Report) -> None:
            self.take(report)
            if time.monotonic() > self._last + NOTED_EVERY or len(report.left_out) >= _AT_ONCE:
                self._last = time.monotonic()
                self._note()
            progress(report)

        return note

    def take(self, report: Report, *, failed: int | None = None) -> None:
        """Have this report be what is written down next; `failed` counts what it does not name."""
        self._report, self._unnamed = report, failed

    def end_round(self) -> None:
        """What was counted so far stands, and what the next report says comes to it."""
        self._before = self._counts()
        self._report = Report()

    def following(self) -> "Record":
        """Return a new record of the same."""
        return Record(self._kind, self._origin)

    @property
    def _own_key(self) -> int:
        assert self.key is not None, "It was not begun."
        return self.key

    def _begin(self) -> int:
        origin = self._origin
        run = Run.objects.create(
            kind=self._kind,
            door=origin.door,
            by=origin.by,
            account=account(),
            machine=platform.node(),
            places=list(origin.places),
            options=dict(origin.options),
            retries_id=origin.retries,
        )
        return run.pk

    def _counts(self) -> "Counter[str]":
        report = self._report
        now = Counter(
            added=report.added,
            known=report.known,
            changed=report.changed,
            updated=report.updated,
            restored=report.restored,
            trashed=report.trashed,
            deleted=report.deleted,
            refused=report.refused,
            failed=len(report.failed) - report.refused if self._unnamed is None else self._unnamed,
        )
        return Counter({name: self._before[name] + count for name, count in now.items()})

    def _note(self, **more: Any) -> None:
        counts = {name: max(0, count) for name, count in self._counts().items()}
        left = {kind: count for kind, count in self.left_alone().items() if count}
        self._name_files()
        Run.objects.filter(pk=self._own_key).update(noted=Now(), left_alone=left, **counts, **more)

    def _name_files(self) -> None:
        taken, self._report.left_out[:] = self._report.left_out[:], []
        rows = [_row(self._own_key, one) for one in taken if self._is_to_be_named(one)]
        if rows:
            names = "run_id, kind, name, address, reason"
            with connection.cursor() as cursor, cursor.copy(f"COPY search_runfile ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)

    def _is_to_be_named(self, one: LeftOut) -> bool:
        """Whether there is room for its name. A later round, or try, that meets it again has nothing new to say."""
        key = hash(one)
        tried = one.why in (Why.FAILED, Why.REFUSED)
        named = self._names[Why.FAILED] + self._names[Why.REFUSED] if tried else self._names[one.why]
        if key in self._named or named >= (MOST_NAMED if tried else MOST_OTHERS_NAMED):
            return False
        self._named.add(key)
        self._names[one.why] += 1
        return True


def forget_some_runs() -> bool:
    """Forget runs of the ledger that began RUNS_DAYS ago and are not under way, with the names of their files; return
    whether there may be more."""
    until = timezone.now() - dt.timedelta(days=settings.RUNS_DAYS)
    old = Run.objects.filter(started__lt=until).in_state(*Run.Outcome.values, Run.INTERRUPTED)
    ids = list(old.order_by("pk").values_list("pk", flat=True)[:_FORGOTTEN_AT_ONCE])
    Run.objects.filter(pk__in=ids)._raw_delete(connection.alias)  # what hangs on them goes by the database
    return len(ids) == _FORGOTTEN_AT_ONCE


def _row(run: int, one: LeftOut) -> tuple[int, str, str, str, str]:
    name, reason = storable(one.name)[:LONGEST_NAME], storable(one.reason)[:LONGEST_REASON]
    return run, str(one.why), name, storable(one.address), reason


def _keep_alive(run: int, silence: threading.Event) -> threading.Thread:
    """Say that a run goes on, in a thread of its own, until `silence` is set: to load a model or to build an index
    takes long, and a process that is killed says nothing more."""

    def speak() -> None:
        while not silence.wait(NOTED_EVERY):
            try:
                Run.objects.filter(pk=run, outcome="").update(noted=Now())
            except Error as error:
                logger.debug("Not noted: %s", error)
            finally:
                connection.close()

    speaker = threading.Thread(target=speak, name="run-goes-on", daemon=True)
    speaker.start()
    return speaker
