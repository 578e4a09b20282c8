"""Record a run in the database while it works, for the site: it runs in another process, often on another machine.
`search.models.run_log` has the tables."""

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
from search.ingestion.sources.file_names import storable
from search.models import Run, RunFile

logger = logging.getLogger(__name__)

NOTED_EVERY = 10.0
"""Seconds between two updates of the record."""
_JOIN_TIMEOUT = 2.0
"""Seconds to wait at the end for the heartbeat thread, which may be writing."""
_AT_ONCE = 1_000
"""Rows of files written together."""
_FORGOTTEN_AT_ONCE = 100
LONGEST_NAME, LONGEST_REASON = 2_000, 1_000


@dataclass(frozen=True, slots=True)
class Origin:
    """Who started a run, and its arguments: `places` and `options` as in `search.models.Run`."""

    door: str = Run.Door.COMMAND
    by: Any = None
    places: Sequence[str] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    retries: int | None = None


def account() -> str:
    """Return the name of the operating system account of this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in containers
        return str(os.getuid())


class Record:
    """Context manager that records a run. Entered again, it continues the same run, as after an outage, or for each
    round of `ingest --watch`.

    Failing to write the record does not stop the run.
    """

    def __init__(self, kind: str = Run.Kind.INGEST, origin: Origin | None = None) -> None:
        self.key: int | None = None
        # Number of files that were skipped, by kind, where the run's source counts them.
        self.left_alone: Callable[[], Mapping[str, int]] = dict
        self._kind, self._origin = kind, origin or Origin()
        self._report = Report()
        self._unnamed: int | None = None
        # Counts of earlier rounds.
        self._before: Counter[str] = Counter()
        self._named: set[int] = set()
        self._names = Counter[Why]()
        self._last = 0.0
        self._end_heartbeat = threading.Event()
        self._heartbeat: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._report, self._last = Report(), time.monotonic()
        self._end_heartbeat = threading.Event()
        if self.key is None:
            self.key = self._begin()
        else:
            Run.objects.filter(pk=self.key).update(outcome="", ended=None, problem="", noted=Now())
            if not self._before:  # the run starts over, as after an outage
                RunFile.objects.filter(run=self.key).delete()
                self._named.clear()
                self._names.clear()
        self._heartbeat = _keep_alive(self.key, self._end_heartbeat)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_heartbeat.set()
        if self._heartbeat:
            self._heartbeat.join(_JOIN_TIMEOUT)
        stopped = self._report.stopped or isinstance(error, KeyboardInterrupt)
        outcome = Run.Outcome.STOPPED if stopped else Run.Outcome.FAILED if error else Run.Outcome.DONE
        if isinstance(error, SystemExit):  # a command's exit status: some pictures failed
            outcome = Run.Outcome.DONE
        problem = str(error).strip()[:LONGEST_REASON] if error and outcome == Run.Outcome.FAILED else ""
        try:
            self._note(ended=Now(), outcome=outcome, problem=problem.replace("\0", ""))
        except Error as failure:
            logger.warning("The end of this run could not be recorded: %s", failure)

    def noting(self, progress: Progress = lambda report: None) -> Progress:
        """Return a progress callback that records the report of the run and passes it on to `progress`."""

        def note(report: Report) -> None:
            self.take(report)
            if time.monotonic() > self._last + NOTED_EVERY or len(report.left_out) >= _AT_ONCE:
                self._last = time.monotonic()
                self._note()
            progress(report)

        return note

    def take(self, report: Report, *, failed: int | None = None) -> None:
        """Use this report for the next update; `failed` counts failures that it does not name."""
        self._report, self._unnamed = report, failed

    def end_round(self) -> None:
        """Keep the counts so far; those of the next report are added to them."""
        self._before = self._counts()
        self._report = Report()

    def following(self) -> "Record":
        """Return a new record with the same kind and origin."""
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
        """Whether the limit leaves room for it. A file is recorded once, even if later rounds meet it again."""
        key = hash(one)
        tried = one.why in (Why.FAILED, Why.REFUSED)
        named = self._names[Why.FAILED] + self._names[Why.REFUSED] if tried else self._names[one.why]
        if key in self._named or named >= (MOST_NAMED if tried else MOST_OTHERS_NAMED):
            return False
        self._named.add(key)
        self._names[one.why] += 1
        return True


def forget_some_runs() -> bool:
    """Delete a batch of finished runs that are older than RUNS_DAYS, with their files; return whether there may be
    more."""
    until = timezone.now() - dt.timedelta(days=settings.RUNS_DAYS)
    old = Run.objects.filter(started__lt=until).in_state(*Run.Outcome.values, Run.INTERRUPTED)
    ids = list(old.order_by("pk").values_list("pk", flat=True)[:_FORGOTTEN_AT_ONCE])
    Run.objects.filter(pk__in=ids)._raw_delete(connection.alias)  # the database cascades
    return len(ids) == _FORGOTTEN_AT_ONCE


def _row(run: int, one: LeftOut) -> tuple[int, str, str, str, str]:
    name, reason = storable(one.name)[:LONGEST_NAME], storable(one.reason)[:LONGEST_REASON]
    return run, str(one.why), name, storable(one.address), reason


def _keep_alive(run: int, ended: threading.Event) -> threading.Thread:
    """Send heartbeats for a run from a thread until `ended` is set: loading a model or building an index takes long,
    and a killed process goes silent."""

    def beat() -> None:
        while not ended.wait(NOTED_EVERY):
            try:
                Run.objects.filter(pk=run, outcome="").update(noted=Now())
            except Error as error:
                logger.debug("The heartbeat was not recorded: %s", error)
            finally:
                connection.close()

    heartbeat = threading.Thread(target=beat, name="run-heartbeat", daemon=True)
    heartbeat.start()
    return heartbeat
