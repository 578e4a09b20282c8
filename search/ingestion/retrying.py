"""Retry the files that a run did not add: `ingest --retry`."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from search.ingestion.items import Item
from search.ingestion.metadata_tables import Metadata, read_metadata
from search.ingestion.sources import Choices, Listed, Rules, open_source
from search.ingestion.sources.listing import Findings
from search.ingestion.sources.opening import is_container
from search.models import Run, RunFile

GONE = "It no longer exists."
_BELOW = "/.../"
"""Prefix of a placeholder for an unknown address, of which only the end of the path is known."""
TRIED = (RunFile.Kind.FAILED, RunFile.Kind.REFUSED)


class NotRetried(Exception):
    """A run can't be retried. The message is for the user."""


@dataclass(frozen=True)
class Retry:
    """What to retry of a run: some `files`, or everything if it is unknown which files were left out; `why` then says
    why."""

    run: Run
    files: Sequence[RunFile] = ()
    why: str = ""
    metadata: Metadata = field(default_factory=Metadata)

    @property
    def takes_all(self) -> bool:
        return bool(self.why)

    def source(self) -> "Tried | Listed":
        options, places, choices = self.run.options, self.run.places, self._choices()
        if self.takes_all:
            return open_source(places, choices, every=options.get("every", 1), limit=options.get("limit"))
        wanted = {one.address or f"{_BELOW}{one.name}": one.name for one in self.files}
        whole = [address for address in wanted if _is_place(address, places)]
        here = [address for address in wanted if address not in whole and _is_file(address)]
        elsewhere = {address: name for address, name in wanted.items() if address not in {*whole, *here}}
        # Files are opened directly; members of archives, buckets and tables are searched for in their sources.
        opened = [open_source([*whole, *here], choices)] if whole or here else []
        return Tried(opened, open_source(places, choices) if elsewhere else None, elsewhere)

    def _choices(self) -> Choices:
        options = self.run.options
        table = options.get("metadata")
        return Choices(
            details=self.metadata.details,
            elsewhere=self.metadata.elsewhere,
            table=Path(table) if table else None,
            rules=Rules(options.get("include_hidden", False), tuple(options.get("exclude", ()))),
            in_place=options.get("in_place", False),
            width=options.get("width", Choices.width),
            private_addresses=options.get("allow_private_addresses", False),
        )


class Tried:
    """All items of some sources, and the items of another one with given addresses; those that are not found count as
    failed."""

    def __init__(self, opened: Sequence[Listed], searched: Listed | None, wanted: Mapping[str, str]) -> None:
        """`wanted` maps addresses to names; an address with the prefix `/.../` is a suffix to match."""
        self._opened, self._searched, self._wanted = opened, searched, wanted
        self._missing: list[tuple[str, str]] = []
        self.findings = Findings()
        self.notes = self.findings.notes

    def __iter__(self) -> Iterator[Item]:
        """Yield the items. Can be iterated over once."""
        for source in self._opened:
            yield from source
        left = dict(self._wanted)
        ends = {address: address.removeprefix(_BELOW) for address in left if address.startswith(_BELOW)}
        for item in self._searched or ():
            found = item.address if item.address in left else _ends_with(item.address, ends)
            if found:
                left.pop(found)
                ends.pop(found, None)
                yield item
            if not left:
                return
        self._missing = [(name, GONE) for name in left.values()]

    @property
    def total(self) -> int | None:
        """The number of items, if it is known yet."""
        totals = [source.total for source in self._opened]
        return None if None in totals else sum(total or 0 for total in totals) + len(self._wanted)

    def __len__(self) -> int:
        return self.total or len(self._wanted)

    @property
    def problems(self) -> list[tuple[str, str]]:
        """Problems of the places first: an unavailable place says more than a missing file."""
        sources = [*self._opened, *([self._searched] if self._searched else [])]
        return [*(problem for source in sources for problem in source.problems), *self._missing]


def _ends_with(address: str, ends: Mapping[str, str]) -> str:
    return next((whole for whole, end in ends.items() if address.endswith(f"/{end}")), "")


def retry_of(key: int, *, again: bool = False) -> Retry:
    """Return what a run of ingestion left out; with `again`, also what was skipped as deleted.

    Raises NotRetried, and MetadataError for a table that can't be read any more.
    """
    run = Run.objects.with_state().filter(pk=key).first()
    if run is None:
        raise NotRetried(f"There is no run {key}: `manage.py state` lists the latest; old ones are deleted.")
    if run.kind != Run.Kind.INGEST:
        raise NotRetried(_not_ingestion(run))
    if run.state == Run.RUNNING:
        raise NotRetried(f"Run {key} is still running.")
    if not run.places:
        raise NotRetried(f"Run {key} was made by an earlier version that did not record what it read: start it again.")
    kinds = (*TRIED, RunFile.Kind.DELETED) if again else TRIED
    files = list(run.files.filter(kind__in=kinds))
    table, roots = run.options.get("metadata"), [Path(one) for one in run.places if Path(one).is_dir()]
    metadata = read_metadata(Path(table), roots) if table else Metadata()
    return Retry(run, files, _why_all(run, files), metadata)


def _not_ingestion(run: Run) -> str:
    if run.kind == Run.Kind.UPLOAD:
        return f"Run {run.pk} was an upload, and rejected files are not kept: upload them again."
    if run.kind == Run.Kind.RECONCILE:
        return f"Run {run.pk} was a check of the storage: run `manage.py reconcile` again."
    return f"Run {run.pk} was `manage.py {run.kind}`: run that again, it continues with what is left."


def _why_all(run: Run, files: Collection[RunFile]) -> str:
    if run.state != Run.Outcome.DONE:
        return "it did not finish"
    tried = [one for one in files if one.kind in TRIED]
    if len(tried) < run.left_out:
        return f"only {len(tried):,} of {run.left_out:,} file names were kept"
    return ""


def _is_place(address: str, places: Collection[str]) -> bool:
    """Whether everything at an address is to be retried: a folder, an archive or table that could not be read, or a
    place that was missing."""
    return address in places or (address.startswith("/") and (os.path.isdir(address) or is_container(address)))  # noqa: PTH112


def _is_file(address: str) -> bool:
    return address.startswith("/") and os.path.isfile(address)  # noqa: PTH113


def options_to_keep(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of `ingest` to record, so that a retry can use them."""
    kept = {name: options[name] for name in _KEPT if options.get(name)}
    if not options["read_captions"]:
        kept["read_captions"] = False
    if table := options["metadata"]:
        kept["metadata"] = os.path.abspath(table)  # noqa: PTH100
    return kept


_KEPT = (
    "tag",
    "album",
    "albums",
    "in_place",
    "exclude",
    "include_hidden",
    "every",
    "limit",
    "width",
    "allow_private_addresses",
    "enqueue",
    "again",
    "update_details",
)


def place_of(problem: str, paths: Sequence[str]) -> str:
    """Return the address of a place that could not be fully read, from the name of its problem; "" if the problem is
    about no place, as a row of a metadata table is."""
    for path in paths:
        row = f"{os.path.basename(path)} line "  # noqa: PTH119 - of a table
        if problem == path or problem.startswith((f"{path.rstrip('/')}/", row)):
            (address,) = places_to_keep([problem if problem.startswith(f"{path.rstrip('/')}/") else path])
            return address
    return ""


def places_to_keep(paths: Sequence[str]) -> list[str]:
    """Return the given places as absolute paths or addresses."""
    return [path if "://" in path else os.path.abspath(os.path.expanduser(path)) for path in paths]  # noqa: PTH100, PTH111
