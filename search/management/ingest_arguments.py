"""What can be said to `manage.py ingest`."""

import argparse
from pathlib import Path

from search.ingestion.sources.options import WIDTH


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        nargs="*",
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
    albums = parser.add_mutually_exclusive_group()
    albums.add_argument(
        "--album", help="put all of them into the album of this title, which is made where there is none"
    )
    albums.add_argument(
        "--albums",
        choices=["takeout", "folders"],
        help="put them into albums: those of Google's export, by the metadata.json in their folders; or one for each "
        "folder or archive, of its name. Albums that are not there are made",
    )
    parser.add_argument(
        "--in-place", action="store_true", help="leave the originals of s3:// where they are, and only read them"
    )
    parser.add_argument("--watch", action="store_true", help="keep looking for new files in the folders, until Ctrl-C")
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
    parser.add_argument("--again", action="store_true", help="add what was deleted from the collection earlier, too")
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
    parser.add_argument(
        "--retry",
        type=_positive,
        metavar="RUN",
        help="instead, try those files again that an earlier run did not add, as that run was told to; runs have "
        "numbers, which they end with, and which the administration and `manage.py state` list",
    )
    # For the administration, which starts this: who asked for it.
    parser.add_argument("--asked-by", type=_positive, help=argparse.SUPPRESS)


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
