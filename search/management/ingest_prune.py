"""`ingest --prune`: lists pictures whose files are gone, and removes them when run again."""

from collections.abc import Collection

from django.core.management.base import CommandError, OutputWrapper

from search.ingestion.pruning import Gone, Listing, NotPruned, Pruning, find_gone
from search.management.base import command_errors


def prune(listing: Listing, problems: Collection[object], out: OutputWrapper, *, yes: bool, most: int | None) -> None:
    """List the pictures of the listed places whose files are gone, and remove them if confirmed.

    Raises CommandError where they can't be determined, or are too many.
    """
    if problems:
        raise CommandError("Not everything could be listed, as shown above: nothing was removed.")
    with command_errors(NotPruned):
        found = find_gone(listing)
    for one in found.gone:
        out.write(f"{one.addresses[0]}: gone{_called(one)}")
    if found.kept:
        first = found.kept[0]
        where = ", ".join(first.addresses[1:2]) or "by upload"
        out.write(
            f"{len(found.kept):,} more are gone from here, but came from elsewhere too, and stay: "
            f"{first.addresses[0]} ({where})."
        )
    for folder, count in found.away.items():
        out.write(
            f"{folder}: {count:,} pictures from here are missing, but the folder is empty, and a disk may be "
            "unmounted: "
            "they are kept. Remove the folder if they are gone."
        )
    summary = f"Gone: {len(found.gone):,} of {found.total:,} pictures from here."
    if not found.gone:
        out.write(summary)
        return
    _refuse_too_many(found, summary, most)
    if yes or found.was_proposed():
        out.write(f"{summary} Removed from the collection: {found.remove():,}. --again adds files that come back.")
    else:
        out.write(
            f"{summary} To remove these from the collection, run the same command again within an hour, or with --yes."
        )


def _called(one: Gone) -> str:
    return f" ({one.image_id} {one.title!r})" if one.title else f" ({one.image_id})"


def _refuse_too_many(found: Pruning, summary: str, most: int | None) -> None:
    count = len(found.gone)
    if most is not None and count > most:
        raise CommandError(f"{summary} That is more than --most {most:,}: nothing was removed.")
    if most is None and found.is_too_much:
        raise CommandError(
            f"{summary} That is more than a tenth: some may only be unreachable. Nothing was removed; "
            f"--most {count} allows it."
        )
