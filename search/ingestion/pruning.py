"""Find pictures whose files are gone from the places just listed, and remove them on demand."""

import datetime as dt
import os
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import groupby
from operator import itemgetter, or_
from pathlib import Path
from typing import TypeAlias

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from search.ingestion.items import Item
from search.ingestion.sources.existence_check import ExistenceCheck, empty_folder, is_in_archive
from search.ingestion.sources.file_names import storable
from search.ingestion.sources.tars import is_tar
from search.ingestion.sources.zips import is_zip
from search.ingestion.unicode_names import Spellings
from search.models import Image, Origin, ProposedRemoval
from search.models.image import content_id
from search.models.origins import origin_id
from search.objects import other_buckets
from search.objects.deletion import delete_images, delete_pending_or_log

ASKED_AGAIN_WITHIN = dt.timedelta(hours=1)
_AT_ONCE = 500
_ROWS = 5_000


class NotPruned(Exception):
    """What is gone can't be determined. The message is for the operator."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place given to `ingest`, and the prefix of the addresses within it."""

    name: str
    prefix: str

    @classmethod
    def of(cls, name: str) -> "Place":
        """Return the place called `name`. Raises NotPruned for anything but an existing folder, archive or bucket."""
        if name.startswith(other_buckets.SCHEME):
            if "*" in name:
                raise NotPruned(f"{name}: --prune takes a bucket or a prefix without a *.")
            bucket, key = other_buckets.split(name)
            where = storable(other_buckets.location(bucket, key))
            return cls(name, where if where.endswith("/") else f"{where}/")
        written = os.path.expanduser(name)  # noqa: PTH111
        path = os.path.realpath(Spellings().found(Path(), written) or written)
        if not os.path.isdir(path) and not (os.path.isfile(path) and (is_zip(path) or is_tar(path))):  # noqa: PTH112, PTH113
            raise NotPruned(
                f"{name}: --prune takes folders, archives (.zip, .tar) and s3:// prefixes that are there, and nothing "
                "was removed."
            )
        return cls(name, f"{storable(path)}/".replace("//", "/"))

    def holds(self, address: str) -> bool:
        """Whether an address belongs to this place. An archive in a folder is a place of its own."""
        return address.startswith(self.prefix) and not is_in_archive(f"/{address[len(self.prefix) :]}")


class Listing:
    """Passes on the items of some places, and remembers the address and version of each."""

    def __init__(self, items: Iterable[Item], places: Sequence[Place]) -> None:
        self._items = items
        self._counts = dict.fromkeys(places, 0)
        # Hashes to ints, since there may be millions.
        self._there: dict[int, int] = {}

    def __iter__(self) -> Iterator[Item]:
        for item in self._items:
            if item.address:
                self._there[hash(item.address)] = origin_id(item.address, item.version).int
                for place in self._counts:
                    self._counts[place] += place.holds(item.address)
            yield item

    @property
    def places(self) -> list[Place]:
        return list(self._counts)

    def version_at(self, address: str) -> uuid.UUID | None:
        """Return the origin id of the item listed at an address; None if there was none."""
        number = self._there.get(hash(address))
        return None if number is None else uuid.UUID(int=number)

    def empty_places(self) -> list[Place]:
        return [place for place, count in self._counts.items() if not count]


@dataclass(frozen=True, slots=True)
class Gone:
    """A picture of the collection, and the addresses where it was found."""

    image_id: uuid.UUID
    title: str
    addresses: tuple[str, ...]
    origins: frozenset[uuid.UUID] = field(repr=False, default=frozenset())


@dataclass(frozen=True, slots=True)
class Pruning:
    """What is gone of the `total` pictures of some places. `kept` are gone there but were found elsewhere too or
    uploaded; `away` counts pictures whose folder is empty, by that folder."""

    total: int
    gone: Sequence[Gone]
    kept: Sequence[Gone]
    away: Mapping[str, int] = field(default_factory=dict)

    @property
    def _digest(self) -> uuid.UUID:
        return content_id(b"".join(sorted(one.image_id.bytes for one in self.gone)))

    @property
    def is_too_much(self) -> bool:
        """Whether more than a tenth is gone: the place is then more likely unavailable than emptied."""
        return 10 * len(self.gone) > self.total

    def was_proposed(self) -> bool:
        """Whether exactly these pictures were proposed for removal within the last hour; records the proposal."""
        old = timezone.now() - ASKED_AGAIN_WITHIN
        ProposedRemoval.objects.filter(created__lt=old).delete()
        proposal = ProposedRemoval(digest=self._digest)
        if ProposedRemoval.objects.filter(pk=proposal.pk).exists():
            return True
        ProposedRemoval.objects.bulk_create([proposal], ignore_conflicts=True)
        return False

    def remove(self) -> int:
        """Delete the pictures; return how many. Those seen again meanwhile stay."""
        removed = 0
        for start in range(0, len(self.gone), _AT_ONCE):
            some = {one.image_id: one.origins for one in self.gone[start : start + _AT_ONCE]}
            with transaction.atomic():
                locked = (
                    Image.objects.filter(pk__in=some).order_by("pk").select_for_update().values_list("pk", flat=True)
                )
                there = set(locked)
                for image_id, origin in Origin.objects.filter(image_id__in=there).values_list("image_id", "pk"):
                    if origin not in some[image_id]:
                        there.discard(image_id)
                delete_images(there)
            removed += len(there)
        ProposedRemoval.objects.filter(pk=self._digest).delete()
        delete_pending_or_log()
        return removed


def find_gone(listing: Listing) -> Pruning:
    """Return what is gone from places whose pictures were all listed just now.

    Raises NotPruned if a place had no picture.
    """
    for place in listing.empty_places():
        raise NotPruned(f"{place.name}: there is no picture here. The place may be unavailable: nothing was removed.")
    total, suspects = _suspects(listing.places, listing)
    look = _Look(listing)
    gone: list[Gone] = []
    kept: list[Gone] = []
    away: Counter[str] = Counter()
    for start in range(0, len(suspects), _AT_ONCE):
        some = dict(suspects[start : start + _AT_ONCE])
        origins = _origins_of(some)
        rows = Image.objects.filter(pk__in=some).order_by("pk").values_list("pk", "title", "uploader")
        for image_id, title, uploader in rows:
            here = some[image_id]
            if all(look.is_gone(*one) for one in here):
                if empty := next(filter(None, (look.empty_folder(address) for address, _ in here)), None):
                    away[empty] += 1
                    continue
                others = [one for one in origins[image_id] if one not in here]
                is_kept = uploader is not None or not all(look.is_gone_elsewhere(*one) for one in others)
                addresses = tuple(dict.fromkeys(address for address, _ in (*here, *others)))
                found = Gone(image_id, title, addresses, frozenset(origin for _, origin in origins[image_id]))
                (kept if is_kept else gone).append(found)
    return Pruning(total, gone, kept, away)


_Origins: TypeAlias = list[tuple[str, uuid.UUID]]


def _suspects(places: Sequence[Place], listing: Listing) -> tuple[int, list[tuple[uuid.UUID, _Origins]]]:
    """Return how many pictures came from these places, and those not listed at the address and version where they were
    found, with these."""
    below = reduce(or_, (Q(address__startswith=place.prefix) for place in places))
    rows = Origin.objects.filter(below, image_id__in=Image.objects.values("pk")).order_by("image_id", "-seen")
    total, suspects = 0, []
    for image_id, group in groupby(rows.values_list("image_id", "address", "pk").iterator(_ROWS), itemgetter(0)):
        found = [(address, origin) for _, address, origin in group if any(place.holds(address) for place in places)]
        total += bool(found)
        if found and not any(listing.version_at(address) == origin for address, origin in found):
            suspects.append((image_id, found))
    return total, suspects


def _origins_of(image_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, _Origins]:
    found: dict[uuid.UUID, _Origins] = defaultdict(list)
    rows = Origin.objects.filter(image_id__in=list(image_ids)).values_list("image_id", "address", "pk")
    for image_id, address, origin in rows:
        found[image_id].append((address, origin))
    return found


class _Look:
    """Checks pictures that were not listed as they were found."""

    def __init__(self, listing: Listing) -> None:
        self._listing, self._existence = listing, ExistenceCheck()
        self._empty_folders: dict[str, str | None] = {}

    def is_gone(self, address: str, origin: uuid.UUID) -> bool:
        """Whether it is gone from an address within the listed places."""
        listed = self._listing.version_at(address)
        if listed is None:
            return self._existence.is_missing(address)
        # Another picture is at this address now, provided that it could be read.
        return Origin.objects.filter(pk=listed, image_id__in=Image.objects.values("pk")).exists()

    def empty_folder(self, address: str) -> str | None:
        """Return the nearest existing folder above a file if it is empty: perhaps a missing disk's mount point."""
        folder = os.path.dirname(address)  # noqa: PTH120
        if not folder.startswith("/"):
            return None
        if folder not in self._empty_folders:
            self._empty_folders[folder] = empty_folder(folder)
        return self._empty_folders[folder]

    def is_gone_elsewhere(self, address: str, origin: uuid.UUID) -> bool:
        """Whether it is gone from another address, within a place that was not listed."""
        return self._listing.version_at(address) is None and self._existence.is_gone(address)
