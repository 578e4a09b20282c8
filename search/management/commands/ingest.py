"""`manage.py ingest`: add pictures from files, archives, buckets and the web."""

import argparse
import os
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from search.curation.details import clean_tags
from search.decoding import NoDecoder
from search.embedding import ModelUnavailable
from search.ingestion import Choices, Metadata, MetadataError, Report, Rules, ingest, open_source, read_metadata
from search.ingestion.album_assignment import ALBUMS, AlbumCollector, titled
from search.ingestion.pruning import Listing, NotPruned, Place
from search.ingestion.report import LeftOut, Why
from search.ingestion.retrying import (
    NotRetried,
    Retry,
    Tried,
    options_to_keep,
    place_of,
    places_to_keep,
    retry_of,
)
from search.ingestion.run_recording import Origin, Record
from search.ingestion.sources import Listed
from search.management.base import CollectionCommand, command_errors
from search.management.calibrating import calibrate_after
from search.management.ingest_arguments import add_arguments
from search.management.ingest_output import print_not_applied, print_not_read, print_report
from search.management.ingest_prune import prune
from search.management.ingest_watch import watch
from search.management.progress import progress_of
from search.models import Run
from search.models.albums import LONGEST_TITLE
from search.objects.storage import StorageUnavailable
from search.text.normalization import normalised_text

_RUN_OPTIONS = (
    *(
        "metadata",
        "tag",
        "album",
        "albums",
        "in_place",
        "watch",
        "exclude",
        "include_hidden",
        "limit",
        "allow_private_addresses",
    ),
    *("enqueue", "update_details", "prune", "yes", "most"),
)
"""Options that a retry takes from its run."""
_DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(_RUN_OPTIONS, None),
    "tag": [],
    "again": False,
    "enqueue": False,
    "update_details": False,
    "read_captions": True,
    "every": 1,
}
LEFT_ALONE = "Skipped: hidden, excluded, in a recycle bin or among the previews of another program."
GO_ON = "Added pictures are kept; run the same command again to resume."


class Command(CollectionCommand):
    help = (
        "Add pictures to the collection. Known pictures are skipped, and those that were deleted from it; unreadable "
        "ones are reported. Stopped at any point and run again, it resumes. Exit status 1 if any picture failed, or "
        "nothing could be read."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_arguments(parser)

    _added_before = 0
    """Pictures added before an outage, after which `handle` runs again."""
    _record: Record | None = None
    """The record of this run, kept across outages."""

    def handle(self, *args: Any, **options: Any) -> None:
        if options["retry"]:
            self._retry(options)
            return
        self._refuse_conflicts(options)
        if options["watch"]:
            folders = [Path(path) for path in options["paths"]]
            watch(
                self._recorded(options),
                options["paths"],
                lambda: self._metadata(options["metadata"], folders),
                tags=clean_tags(options["tag"]),
                enqueue=options["enqueue"],
                again=options["again"],
                captions=options["read_captions"],
                rules=_rules(options),
                table=options["metadata"],
                out=self.stdout,
                complaints=self.stderr,
            )
        else:
            self._once(options)

    def _refuse_conflicts(self, options: dict[str, Any]) -> None:
        paths = options["paths"]
        if not paths:
            raise CommandError("Name a file, folder, archive, bucket or table; or use --retry RUN.")
        if options["in_place"] and not all(path.startswith("s3://") for path in paths):
            raise CommandError("--in-place is only for s3://; other pictures are copied.")
        if options["watch"]:
            others = [path for path in paths if not Path(path).is_dir()]
            if others:
                raise CommandError(f"--watch is only for folders; {others[0]} is not a folder.")
            if options["dry_run"] or options["limit"] or options["every"] > 1:
                raise CommandError(
                    "--watch adds every picture: it can't be combined with --dry-run, --limit or --every."
                )
            if options["album"] or options["albums"]:
                raise CommandError("--album and --albums are for existing files: they can't be combined with --watch.")
            if options["prune"] or options["update_details"]:
                raise CommandError("--prune and --update-details read all files: they can't be combined with --watch.")
        if options["prune"] and (options["dry_run"] or options["limit"] or options["every"] > 1):
            raise CommandError(
                "--prune must see every picture, and removes none at first: it can't be combined with "
                "--dry-run, --limit or --every."
            )
        if (options["yes"] or options["most"]) and not options["prune"]:
            raise CommandError("--yes and --most need --prune.")

    def _recorded(self, options: dict[str, Any]) -> Record:
        """Return the ledger's record of this run."""
        if self._record is None:
            origin = Origin(places=places_to_keep(options["paths"]), options=options_to_keep(options))
            self._record = Record(Run.Kind.INGEST, origin)
        return self._record

    def _retry(self, options: dict[str, Any]) -> None:
        """Retry the files that an earlier run did not add."""
        if options["paths"] or any(options[name] for name in _RUN_OPTIONS):
            raise CommandError(
                "--retry takes all other options from that run: combine it only with --again and --dry-run."
            )
        with command_errors(NotRetried, MetadataError):
            retry = retry_of(options["retry"], again=options["again"])
        if not retry.takes_all and not retry.files:
            self.stdout.write(f"Run {retry.run.pk} has no files to retry.")
            return
        run, chosen = retry.run, {**_DEFAULTS, **retry.run.options}
        door = Run.Door.ADMIN if options["asked_by"] else Run.Door.COMMAND
        if door == Run.Door.ADMIN:
            os.nice(10)  # people search meanwhile
        if self._record is None:
            origin = Origin(door, _user(options["asked_by"]), run.places, run.options, retries=run.pk)
            self._record = Record(Run.Kind.INGEST, origin)
        chosen |= {"paths": run.places, "again": options["again"] or chosen["again"], "dry_run": options["dry_run"]}
        self.stdout.write(
            f"Run {run.pk}: {retry.why}, so its whole source is read again; known pictures are skipped."
            if retry.takes_all
            else f"Trying {len(retry.files):,} files of run {run.pk} again."
        )
        self._take(retry.source(), retry.metadata, chosen, retry)

    def _once(self, options: dict[str, Any]) -> None:
        _album_title(options["album"])
        roots = [Path(path) for path in options["paths"] if Path(path).is_dir()]
        metadata = self._metadata(options["metadata"], roots)
        choices = Choices(
            details=metadata.details,
            elsewhere=metadata.elsewhere,
            table=options["metadata"],
            rules=_rules(options),
            in_place=options["in_place"],
            width=options["width"],
            private_addresses=options["allow_private_addresses"],
        )
        source = open_source(options["paths"], choices, every=options["every"], limit=options["limit"])
        self._recorded(options)
        self._take(source, metadata, options)

    def _take(
        self, source: Listed | Tried, metadata: Metadata, options: dict[str, Any], retry: Retry | None = None
    ) -> None:
        places = self._places(options)
        listing = Listing(source, places)
        items = listing if places else source
        if options["dry_run"]:
            report = self._ingested(items, source, options, None)
            self._conclude(report, source, metadata, listing, options, retry)
            return
        assert self._record
        record = self._record
        record.left_alone = lambda: source.findings.by_kind
        met = _met(items, options)
        with record:
            report = self._ingested(met or items, source, options, record)
            if met:
                self._put_into_albums(met, options)
            self._conclude(report, source, metadata, listing, options, retry)

    def _ingested(self, items: Any, source: Listed | Tried, options: dict[str, Any], record: Record | None) -> Report:
        so_far = Report()
        try:
            with progress_of(lambda: source.total, self.stdout) as show:

                def progress(report: Report) -> None:
                    nonlocal so_far
                    so_far = report
                    show(report)

                return ingest(
                    items,
                    tags=clean_tags(options["tag"]),
                    dry_run=options["dry_run"],
                    enqueue=options["enqueue"],
                    again=options["again"],
                    captions=options["read_captions"],
                    update=options["update_details"],
                    progress=progress,
                    record=record,
                )
        except (ModelUnavailable, StorageUnavailable, NoDecoder) as error:
            self._added_before += so_far.added
            raise CommandError(f"{error}\n{GO_ON}") from error
        except KeyboardInterrupt:
            raise CommandError(f"Stopped. {GO_ON}") from None
        except Exception:
            self._added_before += so_far.added
            raise

    def _put_into_albums(self, met: AlbumCollector, options: dict[str, Any]) -> None:
        title, kind = _album_title(options["album"]), options["albums"]
        called = f"ingest --album {title}" if title else f"ingest --albums {kind}"
        for name, revision in met.put_into_albums(called):
            self.stdout.write(f"Album {name}: {revision.count:,} added.")
            if revision.is_partial:
                self.stderr.write(f"Others were being changed by someone else. {GO_ON}")

    def _conclude(
        self,
        report: Report,
        source: Listed | Tried,
        metadata: Metadata,
        listing: Listing,
        options: dict[str, Any],
        retry: Retry | None,
    ) -> None:
        """Print the result, and do what must wait until all pictures are added."""
        if not options["dry_run"]:
            report.added, report.known = report.added + self._added_before, report.known - self._added_before
        notes = self._remarks(report, source, metadata, options, retry)
        print_report(report, notes, self.stdout, self.stderr, dry_run=options["dry_run"])
        if options["metadata"]:
            print_not_applied(report, self.stdout)
        is_nothing = print_not_read(report, source.findings, self.stdout)
        if report.stopped:
            raise CommandError(f"Stopped. {GO_ON}")
        if options["prune"]:
            prune(listing, source.problems, self.stdout, yes=options["yes"], most=options["most"])
        if not options["dry_run"] and not options["enqueue"]:
            calibrate_after(self.stdout, self.stderr)
        if report.failed or is_nothing:
            if report.failed and self._record and self._record.key and self.stdout.isatty():
                self.stdout.write(f"To retry the failed files: manage.py ingest --retry {self._record.key}")
            raise SystemExit(1)

    def _remarks(
        self,
        report: Report,
        source: Listed | Tried,
        metadata: Metadata,
        options: dict[str, Any],
        retry: Retry | None,
    ) -> list[tuple[str, str]]:
        """Add what the source could not offer to the report; return the remaining notes."""
        for name, reason in source.problems:
            report.fail(name, reason, address=place_of(name, options["paths"]))
        # After a stop or with a limit, missing files may still come; a retry of single files asked for no others.
        if not (report.stopped or options["limit"] or (retry and not retry.takes_all)):
            for name in metadata.missing:
                report.fail(name, "Named in the metadata, but missing.")
        for name, kind in source.findings.named.items():
            report.leave_out(LeftOut(Why.LEFT, name, f"Not read: {kind}." if kind else LEFT_ALONE))
        return [*metadata.problems, *source.notes, *metadata.elsewhere.notes]

    def _places(self, options: dict[str, Any]) -> list[Place]:
        """Return the places that --prune checks for removed files."""
        with command_errors(NotPruned):
            return [Place.of(path) for path in options["paths"]] if options["prune"] else []

    def _metadata(self, table: Path | None, roots: list[Path]) -> Metadata:
        if table is None:
            return Metadata()
        with command_errors(MetadataError):
            return read_metadata(table, roots)


def _user(key: int | None) -> Any:
    return get_user_model().objects.filter(pk=key).first() if key else None


def _met(items: Any, options: dict[str, Any]) -> AlbumCollector | None:
    if options["album"]:
        return AlbumCollector(items, titled(_album_title(options["album"])))
    return AlbumCollector(items, ALBUMS[options["albums"]]()) if options["albums"] else None


def _album_title(text: str | None) -> str:
    if text is None:
        return ""
    title = normalised_text(text)
    if not title or len(title) > LONGEST_TITLE:
        raise CommandError(f"--album takes a title of 1 to {LONGEST_TITLE} characters.")
    return title


def _rules(options: dict[str, Any]) -> Rules:
    return Rules(include_hidden=options["include_hidden"], exclude=tuple(options["exclude"]))
