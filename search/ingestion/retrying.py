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
from search.models import Run, RunFile

GONE = "It is not there any more."
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
        options, places = self.run.options, self.run.places
        if self.takes_all:
            return open_source(places, self._choices(), every=options.get("every", 1), limit=options.get("limit"))
        here = [one for one in self.files if _is_file(one.address)]
        elsewhere = [one for one in self.files if not _is_file(one.address)]
        # Files are opened where they are; what is in archives, buckets and tables is looked for in these.
        sources = [open_source([one.address for one in here], self._choices())] if here else []
        if elsewhere:
            sources.append(open_source(places, self._choices()))
        return Tried(sources, {one.address: one.name for one in self.files})

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
    """Those items of some sources whose addresses are wanted, each once; what is not met of them has failed."""

    def __init__(self, sources: Sequence[Listed], wanted: Mapping[str, str]) -> None:
        """`wanted` names what has each address."""
        self._sources, self._wanted = sources, wanted
        self._missing: list[tuple[str, str]] = []
        self.findings = Findings()
        self.notes = self.findings.notes

    def __iter__(self) -> Iterator[Item]:
        """Offer the items, once."""
        left = dict(self._wanted)
        for source in self._sources:
            for item in source:
                if left.pop(item.address, None) is not None:
                    yield item
                if not left:
                    return
        self._missing = [(name, GONE) for name in left.values()]

    def __len__(self) -> int:
        return len(self._wanted)

    @property
    def total(self) -> int:
        return len(self._wanted)

    @property
    def problems(self) -> list[tuple[str, str]]:
        """What is wrong with the places, as that they are away, says more than that a file is not there."""
        of_places = [problem for source in self._sources for problem in source.problems]
        return [*of_places, *self._missing]


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
    if any(not one.address for one in tried):
        return "some of what failed are whole folders, archives or tables"
    if len(tried) < run.left_out:
        return f"the names of {len(tried):,} of {run.left_out:,} files alone were kept"
    return ""


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


def places_to_keep(paths: Sequence[str]) -> list[str]:
    """Return what was named so that it means the same in whatever folder it is read."""
    return [path if "://" in path else os.path.abspath(os.path.expanduser(path)) for path in paths]  # noqa: PTH100, PTH111
