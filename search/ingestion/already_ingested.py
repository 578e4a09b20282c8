"""Origins: which files were ingested before, so that unchanged ones are not read or downloaded again."""

import uuid
from collections.abc import Iterable, Sequence

from search.embedding import active_model
from search.ingestion.items import Item
from search.models import Image, Origin, Tombstone
from search.models.accepted_models import accepted_names
from search.models.origins import origin_id

_UNSURE = 600
"""Tolerance in seconds between reading a picture and recording it, and between two clocks."""


def origin_of(item: Item, image_id: uuid.UUID) -> Origin | None:
    """Return the Origin of an image; None for an item without an address."""
    if not item.address:
        return None
    return Origin(id=origin_id(item.address, item.version), address=item.address, image_id=image_id)


def seen_before(items: Sequence[Item], *, pending: bool = False) -> list[uuid.UUID | None]:
    """Return for each item the image it is known as: seen before, unchanged, with a vector of an accepted model.

    With `pending`, images without a vector, or with one of another model, count too.
    """
    ids = [origin_id(item.address, item.version) if item.address else None for item in items]
    images = (
        Image.objects.all() if pending else Image.objects.filter(embedding_model__in=accepted_names(active_model()))
    )
    seen = Origin.objects.filter(pk__in=[one for one in ids if one], image_id__in=images.values("pk"))
    there = dict(seen.values_list("pk", "image_id"))
    return [there.get(one) if one else None for one in ids]


def with_changed_sidecars(items: Sequence[Item]) -> list[bool]:
    """Return for each item whether its sidecars may have changed since it was last read."""
    changed = {origin_id(item.address, item.version): item.sidecars_changed for item in items if item.sidecars_changed}
    if not changed:
        return [False] * len(items)
    seen = Origin.objects.filter(pk__in=list(changed)).values_list("pk", "seen")
    since = {pk for pk, then in seen if (changed[pk] or 0) > then.timestamp() - _UNSURE}
    return [bool(item.sidecars_changed) and origin_id(item.address, item.version) in since for item in items]


def seen_there_before(seen: Iterable[tuple[Item, uuid.UUID]]) -> set[str]:
    """Return the addresses at which the same image was found before, in any version."""
    pairs = {(item.address, image_id) for item, image_id in seen if item.address}
    if not pairs:
        return set()
    known = Origin.objects.filter(address__in={address for address, _ in pairs}).values_list("address", "image_id")
    return {address for address, image_id in known if (address, image_id) in pairs}


def seen_and_deleted(items: Sequence[Item]) -> list[bool]:
    """Return for each item whether it was found before, unchanged, and deleted since."""
    ids = [origin_id(item.address, item.version) if item.address else None for item in items]
    seen = Origin.objects.filter(pk__in=[one for one in ids if one], image_id__in=Tombstone.objects.values("pk"))
    deleted = set(seen.values_list("pk", flat=True))
    return [one in deleted for one in ids]


def mark_for_reading(image_id: uuid.UUID) -> None:
    """Have a picture read again when it is next found; its addresses stay recorded."""
    for origin in Origin.objects.filter(image_id=image_id):
        # A random key matches no address and version.
        Origin.objects.filter(pk=origin.pk).update(id=uuid.uuid4())


def record(origins: Iterable[Origin | None]) -> None:
    """Record where images came from. Safe to run concurrently."""
    rows = {origin.pk: origin for origin in origins if origin}
    if rows:
        Origin.objects.bulk_create(
            [rows[pk] for pk in sorted(rows)],  # in one order, so that two runs can't deadlock
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=["image_id", "seen"],
        )
