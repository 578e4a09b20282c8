"""Resolve the picture names of a labelled set: to images, by id or origin, or to files in a folder."""

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from search.ingestion.tables_of_archives import plain, suffixes
from search.ingestion.unicode_names import Spellings
from search.models import FormerId, Image, Origin
from search.models.image import content_id

_AT_ONCE = 5_000


def in_collection(names: Collection[str], folders: Sequence[Path]) -> tuple[dict[str, uuid.UUID], dict[str, str]]:
    """Return the image that each name means, and the reasons for the other names.

    A name is the id of an image, or a suffix of an address where it was found or is stored (`a.jpg`, `folder/a.jpg`,
    `s3://bucket/folder/a.jpg`). Files in `folders` are recognised by content.
    """
    meant: dict[str, uuid.UUID] = {}
    reasons: dict[str, str] = {}
    for name in names:
        with suppress(ValueError):
            meant[name] = uuid.UUID(name)
    by_end = _by_end({name for name in names if name not in meant})
    spellings = Spellings()
    for name in names:
        if name in meant:
            continue
        found = by_end.get(name, set())
        if len(found) > 1:
            reasons[name] = f"{len(found):,} pictures here have this name: give more of the path, or the id."
        elif found:
            meant[name] = next(iter(found))
        elif path := located(name, folders, spellings):
            with suppress(OSError), path.open("rb") as file:
                meant[name] = content_id(file)
    there = _there(set(meant.values()))
    former = FormerId.present(set(meant.values()) - there)
    meant = {name: former.get(image_id, image_id) for name, image_id in meant.items()}
    there.update(former.values())
    for name in names:
        if name not in reasons and meant.get(name) not in there:
            meant.pop(name, None)
            reasons[name] = "This picture is not in the collection."
    return {name: image_id for name, image_id in meant.items() if name not in reasons}, reasons


def in_folders(names: Collection[str], folders: Sequence[Path]) -> tuple[dict[str, Path], dict[str, str]]:
    """Return the file that each name means, and the reasons for the other names."""
    spellings = Spellings()
    found = {name: located(name, folders, spellings) for name in names}
    reasons = {name: "There is no such file in the folder." for name, path in found.items() if path is None}
    return {name: path for name, path in found.items() if path is not None}, reasons


def located(name: str, folders: Sequence[Path], spellings: Spellings) -> Path | None:
    """Return the file of this name below one of `folders`, in any Unicode normal form."""
    if "\0" in name:
        return None
    for written in dict.fromkeys((name, name.replace("\\", "/"))):  # including Windows paths
        for folder in folders:
            for path in (folder / written, spellings.found(folder, written)):
                with suppress(OSError, ValueError):  # a name too long for any file
                    if path and path.is_file():
                        return path
    return None


def _by_end(names: Collection[str]) -> dict[str, set[uuid.UUID]]:
    """Return the images with an address that ends in each name. Reads all addresses, if there are names."""
    wanted: dict[str, list[str]] = defaultdict(list)
    for name in names:
        wanted[plain(name)].append(name)
    found: dict[str, set[uuid.UUID]] = defaultdict(set)
    if not wanted:
        return found
    # Origins outlive their images, and may belong to one that returned at another address.
    known = Origin.objects.values_list("address", "image_id")
    staying = Image.objects.exclude(original_location="").values_list("original_location", "pk")
    for rows in (known, staying):
        for address, image_id in rows.order_by().iterator(chunk_size=_AT_ONCE):
            for end in suffixes(plain(address)):
                for name in wanted.get(end, ()):
                    found[name].add(image_id)
    there = _there({image_id for ids in found.values() for image_id in ids})
    return {name: ids & there for name, ids in found.items()}


def _there(ids: Iterable[uuid.UUID]) -> set[uuid.UUID]:
    """Return the ids that belong to images."""
    ids, there = list(ids), set()
    for start in range(0, len(ids), _AT_ONCE):
        there |= set(Image.objects.filter(pk__in=ids[start : start + _AT_ONCE]).values_list("pk", flat=True))
    return there
