"""The files that a run did not add are tried once more: `ingest --retry`."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from search.ingestion.items import Item
from search.ingestion.metadata import Metadata, read_metadata
from search.ingestion.sources import Choices, Listed, Rules, open_source
from search.ingestion.sources.listing import Findings
from search.ingestion.sources.opening import is_container
from search.models import Run, RunFile

GONE = "It is not there any more."
_BELOW = "/.../"
"""How what stands for the address of a file begins of which only the end of its path is known."""
TRIED = (RunFile.Kind.FAILED, RunFile.Kind.REFUSED)


class NotRetried(Exception):
    """A run can't be tried again. The message is for the person."""


@dataclass(frozen=True)
class Retry:
    """What is to be tried again of a run: some `files`, or all that it was told to read, where it can't be said which
    files it left out; `why` says then why that is so."""

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
        # Files are opened where they are; what is in archives, buckets and tables is looked for in these.
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
    """All that some sources offer, and those items of another whose addresses are wanted; what is not met of them has
    failed."""

    def __init__(self, opened: Sequence[Listed], searched: Listed | None, wanted: Mapping[str, str]) -> None:
        """`wanted` names what has each address; one that begins with `/.../` is the end of an address."""
        self._opened, self._searched, self._wanted = opened, searched, wanted
        self._missing: list[tuple[str, str]] = []
        self.findings = Findings()
        self.notes = self.findings.notes

    def __iter__(self) -> Iterator[Item]:
        """Offer the items, once."""
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
        """How many items there are, if that is known by now."""
        totals = [source.total for source in self._opened]
        return None if None in totals else sum(total or 0 for total in totals) + len(self._wanted)

    def __len__(self) -> int:
        return self.total or len(self._wanted)

    @property
    def problems(self) -> list[tuple[str, str]]:
        """What is wrong with the places, as that they are away, says more than that a file is not there."""
        sources = [*self._opened, *([self._searched] if self._searched else [])]
        return [*(problem for source in sources for problem in source.problems), *self._missing]


def _ends_with(address: str, ends: Mapping[str, str]) -> str:
    return next((whole for whole, end in ends.items() if address.endswith(f"/{end}")), "")


def retry_of(key: int, *, again: bool = False) -> Retry:
    """Return what a run of ingestion left out, with what was `deleted` earlier where that is to be added `again`.

    Raises NotRetried, and MetadataError for a table that can't be read any more.
    """
    run = Run.objects.with_state().filter(pk=key).first()
    if run is None:
        raise NotRetried(f"There is no run {key}: `manage.py state` names the last ones, and old ones are forgotten.")
    if run.kind != Run.Kind.INGEST:
        raise NotRetried(_not_ingestion(run))
    if run.state == Run.RUNNING:
        raise NotRetried(f"Run {key} is still under way.")
    if not run.places:
        raise NotRetried(f"Of run {key} it is not known what it read: an earlier version made it. Run it anew.")
    kinds = (*TRIED, RunFile.Kind.DELETED) if again else TRIED
    files = list(run.files.filter(kind__in=kinds))
    table, roots = run.options.get("metadata"), [Path(one) for one in run.places if Path(one).is_dir()]
    metadata = read_metadata(Path(table), roots) if table else Metadata()
    return Retry(run, files, _why_all(run, files), metadata)


def _not_ingestion(run: Run) -> str:
    if run.kind == Run.Kind.UPLOAD:
        return f"Run {run.pk} came by upload, and what was not taken was not kept: who has the files sends them again."
    if run.kind == Run.Kind.RECONCILE:
        return f"Run {run.pk} is a look through the storage: `manage.py reconcile` looks again."
    return f"Run {run.pk} was of `manage.py {run.kind}`: run that again, it takes what is left."


def _why_all(run: Run, files: Collection[RunFile]) -> str:
    if run.state != Run.Outcome.DONE:
        return "it did not come to its end"
    tried = [one for one in files if one.kind in TRIED]
    if len(tried) < run.left_out:
        return f"the names of {len(tried):,} of {run.left_out:,} files alone were kept"
    return ""


def _is_place(address: str, places: Collection[str]) -> bool:
    """Whether all that is at an address is wanted: a folder, an archive or a table that could not be read, or what was
    named and was not there."""
    return address in places or (address.startswith("/") and (os.path.isdir(address) or is_container(address)))  # noqa: PTH112


def _is_file(address: str) -> bool:
    return address.startswith("/") and os.path.isfile(address)  # noqa: PTH113


def options_to_keep(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `ingest` was told of how to take pictures, so that it can be told so again."""
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
    """Return the address of a place that could not be read, or not wholly, by how that is told; "" where what is told
    of is none, as a row of a table of metadata."""
    for path in paths:
        row = f"{os.path.basename(path)} line "  # noqa: PTH119 - of a table
        if problem == path or problem.startswith((f"{path.rstrip('/')}/", row)):
            (address,) = places_to_keep([problem if problem.startswith(f"{path.rstrip('/')}/") else path])
            return address
    return ""


def places_to_keep(paths: Sequence[str]) -> list[str]:
    """Return what was named so that it means the same in whatever folder it is read."""
    return [path if "://" in path else os.path.abspath(os.path.expanduser(path)) for path in paths]  # noqa: PTH100, PTH111
