"""Put ingested pictures, new and known, into albums."""

import html
import posixpath
import re
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from django.db.models import Q

from search.curation import AddToAlbum, change
from search.ingestion.items import Item
from search.metadata.sidecar_names import json_object
from search.models import Album, Origin, Revision
from search.models.albums import LONGEST_TITLE, Visibility
from search.models.origins import origin_id
from search.text.normalization import normalised_text

_AT_ONCE = 5_000
_ON_THE_WEB = re.compile(r"https?://", re.IGNORECASE)

AlbumOf = Callable[[Item], tuple[str, str]]
"""The title and description of an item's album; the title is "" if there is none."""


def titled(title: str) -> AlbumOf:
    """Put all items into one album."""
    return lambda _item: (title, "")


def by_takeout() -> AlbumOf:
    """Take album titles from the metadata of a Google Takeout export; its folders of a year are no albums."""
    return _once_a_folder(lambda item: _takeout_album(item.of_folder()))


def by_folder() -> AlbumOf:
    """Use the name of the folder or archive as the album; items from the web get none."""
    return _once_a_folder(lambda item: (_title(posixpath.basename(_folder(item))), ""))


ALBUMS = {"takeout": by_takeout, "folders": by_folder}


def _once_a_folder(album_of: AlbumOf) -> AlbumOf:
    last: tuple[str, tuple[str, str]] = ("", ("", ""))

    def of(item: Item) -> tuple[str, str]:
        nonlocal last
        folder = _folder(item)
        if not folder:
            return "", ""
        if last[0] != folder:
            last = folder, album_of(item)
        return last[1]

    return of


def _folder(item: Item) -> str:
    return "" if _ON_THE_WEB.match(item.address) else posixpath.dirname(item.address)


def _title(text: object) -> str:
    title = normalised_text(text)[:LONGEST_TITLE].strip() if isinstance(text, str) else ""
    return "" if title in {".", ".."} else title  # as in names of members


def _takeout_album(file: bytes) -> tuple[str, str]:
    found = json_object(file)
    older = found.get("albumData")
    if isinstance(older, dict):  # the format until 2019
        found = older
    description = found.get("description")
    # Takeout escapes some characters as HTML.
    title, text = (html.unescape(one) if isinstance(one, str) else "" for one in (found.get("title"), description))
    return _title(title), text.replace("\0", "")[:5000]


class AlbumCollector:
    """Pass items on and remember the address and version of each; items without an address are not recorded."""

    def __init__(self, items: Iterable[Item], album_of: AlbumOf) -> None:
        self._items, self._album_of = items, album_of
        self._origins: defaultdict[str, list[int]] = defaultdict(list)  # ints are compact: there may be millions
        self._descriptions: dict[str, str] = {}

    def __iter__(self) -> Iterator[Item]:
        for item in self._items:
            title, description = self._album_of(item)
            if item.address and title:
                self._origins[title].append(origin_id(item.address, item.version).int)
                self._descriptions.setdefault(title, description)
            yield item

    def put_into_albums(self, called: str) -> Iterator[tuple[str, Revision]]:
        """Put the pictures of the items into their albums; yield the title of each album and its revision.

        An existing album with this title is used if it has no owner or is public; otherwise a public one is created.
        `called` is the command line, for the revision.
        """
        for title in sorted(self._origins):
            ids: set[uuid.UUID] = set()
            origins = self._origins[title]
            for start in range(0, len(origins), _AT_ONCE):
                some = [uuid.UUID(int=number) for number in origins[start : start + _AT_ONCE]]
                ids.update(Origin.objects.filter(pk__in=some).values_list("image_id", flat=True))
            if ids:
                album = self._album(title)
                yield title, change(ids, AddToAlbum(album), door=Revision.Door.COMMAND, search=called)

    def _album(self, title: str) -> Album:
        theirs = Q(owner=None) | Q(visibility=Visibility.PUBLIC)
        album = Album.objects.kept().filter(theirs, title=title).order_by("pk").first()
        if album is None:
            description = self._descriptions[title]
            album = Album.objects.create(title=title, description=description, visibility=Visibility.PUBLIC)
        return album
