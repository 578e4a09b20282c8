"""The arguments of `manage.py ingest`."""

import argparse
from pathlib import Path

from search.ingestion.sources.options import WIDTH
from search.management.base import at_least_one


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
        help="take titles, descriptions, keywords, authors and licences from the pictures' files and sidecars "
        "(EXIF, XMP, IPTC, .xmp, .json, .txt) where the table has none; time and camera are read in any case "
        "(default: yes)",
    )
    parser.add_argument("--tag", action="append", default=[], help="a tag for all of them; may be repeated")
    albums = parser.add_mutually_exclusive_group()
    albums.add_argument("--album", help="add all of them to the album of this title, which is created if needed")
    albums.add_argument(
        "--albums",
        choices=["takeout", "folders"],
        help="add them to albums: those of Google's export, by the metadata.json in their folders; or one for each "
        "folder or archive, with its name. Missing albums are created",
    )
    parser.add_argument("--in-place", action="store_true", help="don't copy the originals of s3://, only index them")
    parser.add_argument("--watch", action="store_true", help="keep looking for new files in the folders, until Ctrl-C")
    parser.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="GLOB",
        help="skip files and folders of this name, or whose path ends with it if it has a slash, such as '*_edited.*' "
        "or 'trips/2019'; in archives and buckets too; may be repeated",
    )
    parser.add_argument(
        "--include-hidden",
        action="store_true",
        help="also read what is skipped by default: hidden files and folders, recycle bins, previews and libraries of "
        "other programs, folders that contain .nomedia",
    )
    parser.add_argument("--limit", type=at_least_one, metavar="N", help="add at most N pictures")
    parser.add_argument("--every", type=at_least_one, metavar="N", default=1, help="add only each Nth picture")
    parser.add_argument(
        "--width",
        type=_natural,
        metavar="PIXELS",
        default=WIDTH,
        help=f"width of pictures downloaded from Unsplash; 0: the originals, often 5 MB each (default: {WIDTH})",
    )
    parser.add_argument(
        "--allow-private-addresses",
        action="store_true",
        help="allow downloads from private networks in a table",
    )
    parser.add_argument(
        "--enqueue", action="store_true", help="leave computing vectors to `embed_pending`, here or on other machines"
    )
    parser.add_argument("--again", action="store_true", help="also add what was deleted from the collection earlier")
    parser.add_argument(
        "--update-details",
        action="store_true",
        help="apply the table, --tag and changed sidecars to existing pictures too, except for what has been edited",
    )
    parser.add_argument(
        "--prune",
        action="store_true",
        help="afterwards, list the pictures of these folders, archives or buckets whose files are gone; run again "
        "within an hour, or with --yes, remove them from the collection",
    )
    parser.add_argument("--yes", action="store_true", help="with --prune: remove them at once")
    parser.add_argument(
        "--most", type=at_least_one, metavar="N", help="with --prune: remove up to N, instead of up to a tenth of all"
    )
    parser.add_argument("--dry-run", action="store_true", help="read everything, store nothing")
    parser.add_argument(
        "--retry",
        type=at_least_one,
        metavar="RUN",
        help="instead, retry the files that an earlier run did not add, with that run's options; runs are numbered: "
        "see the end of their output, the admin and `manage.py state`",
    )
    # Set by the admin, which starts this: the user who requested it.
    parser.add_argument("--asked-by", type=at_least_one, help=argparse.SUPPRESS)


def _natural(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is less than 0")
    return number
