"""`manage.py ingest`: fill the collection from files, archives, buckets and the web."""

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from search.decoding import NoDecoder
from search.embedding import ModelUnavailable
from search.ingestion import Choices, Metadata, MetadataError, Report, Rules, ingest, open_source, read_metadata
from search.ingestion.albums import Met
from search.ingestion.metadata import clean_tags
from search.ingestion.pruning import Listing, NotPruned, Place
from search.ingestion.sources import Listed
from search.ingestion.sources.choices import WIDTH
from search.management.base import CollectionCommand
from search.management.calibrating import calibrate_after
from search.management.progress import progress_of
from search.management.pruning import prune
from search.management.telling import tell, tell_what_was_not_applied, tell_what_was_not_read
from search.management.watching import watch
from search.models.albums import LONGEST_TITLE
from search.storage import StorageUnavailable
from search.texts import normalised_text

GO_ON = "What was added stays; run the same command again to go on."


class Command(CollectionCommand):
    help = (
        "Add pictures to the collection. Known pictures are skipped, and those that were deleted from it; unreadable "
        "ones are reported. Stopped at any point and run again, it goes on where it was. Exit status 1 if any picture "
        "failed, or nothing there could be read."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "paths",
            nargs="+",
            metavar="PATH",
            help="a file, folder (with all below it) or glob; a .zip or .tar, which is not unpacked; "
            "s3://bucket/prefix; a .tsv, .csv or .jsonl table with a column url, or the Unsplash dataset's "
            "photos.tsv000 or its whole .zip; a picture's http or https address",
        )
        parser.add_argument(
            "--metadata",
            type=Path,
            metavar="FILE",
            help="a .tsv, .csv or .jsonl table with the column path, of files, members of archives and objects, and "
            "any of title, description, tags (comma-separated), author, licence, source_link, taken (a date), rating "
            "(0 to 5), latitude and longitude, camera, lens",
        )
        parser.add_argument(
            "--read-captions",
            action=argparse.BooleanOptionalAction,
            default=True,
            help="take titles, descriptions, keywords, authors and licences that are written in the pictures' files "
            "or beside them (EXIF, XMP, IPTC, .xmp, .json, .txt), where the table says nothing; when and with what "
            "pictures were taken is read in any case (default: yes)",
        )
        parser.add_argument("--tag", action="append", default=[], help="a tag for all of them; may be repeated")
        parser.add_argument(
            "--album", help="put all of them into the album of this title, which is made where there is none"
        )
        parser.add_argument(
            "--in-place", action="store_true", help="leave the originals of s3:// where they are, and only read them"
        )
        parser.add_argument(
            "--watch", action="store_true", help="keep looking for new files in the folders, until Ctrl-C"
        )
        parser.add_argument(
            "--exclude",
            action="append",
            default=[],
            metavar="GLOB",
            help="leave out files and folders of this name, or whose path ends so where it has a slash, such as "
            "'*_edited.*' or 'trips/2019'; in archives and buckets too; may be repeated",
        )
        parser.add_argument(
            "--include-hidden",
            action="store_true",
            help="take what else is left alone: hidden files and folders, recycle bins, previews and libraries of "
            "other programs, folders that hold .nomedia",
        )
        parser.add_argument("--limit", type=_positive, metavar="N", help="take at most N pictures")
        parser.add_argument("--every", type=_positive, metavar="N", default=1, help="take only each Nth picture")
        parser.add_argument(
            "--width",
            type=_natural,
            metavar="PIXELS",
            default=WIDTH,
            help=f"how wide Unsplash sends its pictures; 0: as they are, often 5 MB each (default: {WIDTH})",
        )
        parser.add_argument(
            "--allow-private-addresses",
            action="store_true",
            help="download from your own network too, if a table names it",
        )
        parser.add_argument(
            "--enqueue", action="store_true", help="leave the vectors to `embed_pending`, here or on other machines"
        )
        parser.add_argument(
            "--again", action="store_true", help="add what was deleted from the collection earlier, too"
        )
        parser.add_argument(
            "--update-details",
            action="store_true",
            help="apply the table, --tag and what has changed beside the pictures to those that are here already too, "
            "but for what somebody has edited",
        )
        parser.add_argument(
            "--prune",
            action="store_true",
            help="afterwards, list the pictures of these folders, archives or buckets whose files are there no more; "
            "asked for the same again within an hour, or with --yes, remove them from the collection",
        )
        parser.add_argument("--yes", action="store_true", help="with --prune: remove them at once")
        parser.add_argument(
            "--most", type=_positive, metavar="N", help="with --prune: up to N, and not a tenth of all at most"
        )
        parser.add_argument("--dry-run", action="store_true", help="look at everything, keep nothing")

    _added_before = 0
    """Pictures added until an outage after which the same is done again."""

    def handle(self, *args: Any, **options: Any) -> None:
        self._refuse_what_makes_no_sense(options)
        if options["watch"]:
            folders = [Path(path) for path in options["paths"]]
            watch(
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

    def _refuse_what_makes_no_sense(self, options: dict[str, Any]) -> None:
        paths = options["paths"]
        if options["in_place"] and not all(path.startswith("s3://") for path in paths):
            raise CommandError("--in-place is for s3:// alone: other pictures are copied.")
        if options["watch"]:
            others = [path for path in paths if not Path(path).is_dir()]
            if others:
                raise CommandError(f"--watch is for folders, and {others[0]} is none.")
            if options["dry_run"] or options["limit"] or options["every"] > 1:
                raise CommandError("--watch takes every picture: it can't go with --dry-run, --limit or --every.")
            if options["album"]:
                raise CommandError("--album is for what is there: it can't go with --watch.")
            if options["prune"] or options["update_details"]:
                raise CommandError("--prune and --update-details look at all there is: they can't go with --watch.")
        if options["prune"] and (options["dry_run"] or options["limit"] or options["every"] > 1):
            raise CommandError(
                "--prune must see every picture, and removes none at first: it can't go with --dry-run, --limit or "
                "--every."
            )
        if (options["yes"] or options["most"]) and not options["prune"]:
            raise CommandError("--yes and --most go with --prune.")

    def _once(self, options: dict[str, Any]) -> None:
        title = _album_title(options["album"])
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
        places = self._places(options)
        source = open_source(options["paths"], choices, every=options["every"], limit=options["limit"])
        listing = Listing(source, places)
        met = Met(listing if places else source)
        so_far = Report()
        try:
            with progress_of(lambda: source.total, self.stdout) as show:

                def progress(report: Report) -> None:
                    nonlocal so_far
                    so_far = report
                    show(report)

                report = ingest(
                    met if title else listing if places else source,
                    tags=clean_tags(options["tag"]),
                    dry_run=options["dry_run"],
                    enqueue=options["enqueue"],
                    again=options["again"],
                    captions=options["read_captions"],
                    update=options["update_details"],
                    progress=progress,
                )
        except (ModelUnavailable, StorageUnavailable, NoDecoder) as error:
            self._added_before += so_far.added
            raise CommandError(f"{error}\n{GO_ON}") from error
        except KeyboardInterrupt:
            raise CommandError(f"Stopped. {GO_ON}") from None
        except Exception:
            self._added_before += so_far.added
            raise
        if title and not options["dry_run"]:
            self._put_into_album(met, title)
        self._conclude(report, source, metadata, listing, options)

    def _put_into_album(self, met: Met, title: str) -> None:
        revision = met.put_into(title, f"ingest --album {title}")
        self.stdout.write(f"Album {title}: {revision.count:,} put into it.")
        if revision.is_partial:
            self.stderr.write(f"Others were being changed by somebody. {GO_ON}")

    def _conclude(
        self, report: Report, source: Listed, metadata: Metadata, listing: Listing, options: dict[str, Any]
    ) -> None:
        """Tell what became of the pictures, and do what is to be done once all are there."""
        if not options["dry_run"]:
            report.added, report.known = report.added + self._added_before, report.known - self._added_before
        report.failed += source.problems
        if not (report.stopped or options["limit"]):  # or what was not met may follow
            report.failed += [(name, "Named in the metadata, but not there.") for name in metadata.missing]
        notes = [*metadata.problems, *source.notes, *metadata.elsewhere.notes]
        tell(report, notes, self.stdout, self.stderr, dry_run=options["dry_run"])
        if options["metadata"]:
            tell_what_was_not_applied(report, self.stdout)
        is_nothing = tell_what_was_not_read(report, source.findings, self.stdout)
        if report.stopped:
            raise CommandError(f"Stopped. {GO_ON}")
        if options["prune"]:
            prune(listing, source.problems, self.stdout, yes=options["yes"], most=options["most"])
        if not options["dry_run"] and not options["enqueue"]:
            calibrate_after(self.stdout, self.stderr)
        if report.failed or is_nothing:
            raise SystemExit(1)

    def _places(self, options: dict[str, Any]) -> list[Place]:
        """Return the places of which it is to be told what is gone."""
        try:
            return [Place.of(path) for path in options["paths"]] if options["prune"] else []
        except NotPruned as error:
            raise CommandError(str(error)) from error

    def _metadata(self, table: Path | None, roots: list[Path]) -> Metadata:
        if table is None:
            return Metadata()
        try:
            return read_metadata(table, roots)
        except MetadataError as error:
            raise CommandError(str(error)) from error


def _album_title(text: str | None) -> str:
    if text is None:
        return ""
    title = normalised_text(text)
    if not title or len(title) > LONGEST_TITLE:
        raise CommandError(f"--album takes a title of 1 to {LONGEST_TITLE} characters.")
    return title


def _rules(options: dict[str, Any]) -> Rules:
    return Rules(include_hidden=options["include_hidden"], exclude=tuple(options["exclude"]))


def _natural(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is less than 0")
    return number


def _positive(text: str) -> int:
    number = _natural(text)
    if not number:
        raise argparse.ArgumentTypeError("it must be 1 or more")
    return number
