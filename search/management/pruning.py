"""`ingest --prune`: what is gone is listed, and removed when it is asked for again."""

from collections.abc import Collection

from django.core.management.base import CommandError, OutputWrapper

from search.ingestion.pruning import Gone, Listing, NotPruned, Pruning, find_gone


def prune(listing: Listing, problems: Collection[object], out: OutputWrapper, *, yes: bool, most: int | None) -> None:
    """List the pictures of the places that were listed whose files are gone, and remove them where that is wanted.

    Raises CommandError where it can't be told which those are, or where they are too many.
    """
    if problems:
        raise CommandError("Not everything that is there could be listed, as is told above: nothing was removed.")
    try:
        found = find_gone(listing)
    except NotPruned as error:
        raise CommandError(str(error)) from error
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
            f"{folder}: {count:,} pictures from here are not there, but the folder is empty, and a disk may be away: "
            "they stay. Remove the folder if they are gone."
        )
    told = f"Gone: {len(found.gone):,} of {found.total:,} pictures from here."
    if not found.gone:
        out.write(told)
        return
    _refuse_too_many(found, told, most)
    if yes or found.was_proposed():
        out.write(f"{told} Removed from the collection: {found.remove():,}. --again adds what comes back.")
    else:
        out.write(
            f"{told} The same command again within an hour, or with --yes, removes what is gone from the collection."
        )


def _called(one: Gone) -> str:
    return f" ({one.image_id} {one.title!r})" if one.title else f" ({one.image_id})"


def _refuse_too_many(found: Pruning, told: str, most: int | None) -> None:
    count = len(found.gone)
    if most is not None and count > most:
        raise CommandError(f"{told} That is more than --most {most:,}: nothing was removed.")
    if most is None and found.is_too_much:
        raise CommandError(
            f"{told} That is more than a tenth: part of them may be away. Nothing was removed; "
            f"--most {count} allows it."
        )
