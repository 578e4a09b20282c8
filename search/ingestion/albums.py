"""What is ingested into albums: all that a source offers, new and known, by where each was met."""

import html
import posixpath
import re
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from django.db.models import Q

from search.curation import AddToAlbum, change
from search.ingestion.items import Item
from search.metadata.sidecars import json_object
from search.models import Album, Origin, Revision
from search.models.albums import LONGEST_TITLE, Visibility
from search.models.ingestion import origin_id
from search.text.normalization import normalised_text

_AT_ONCE = 5_000
_ON_THE_WEB = re.compile(r"https?://", re.IGNORECASE)

AlbumOf = Callable[[Item], tuple[str, str]]
"""The title and description of the album that an item belongs to; the title is "" where that is none."""


def titled(title: str) -> AlbumOf:
    """All are of one album."""
    return lambda _item: (title, "")


def by_takeout() -> AlbumOf:
    """By what Google's export tells of the folder that each lies in: its albums, but no folder of a year."""
    return _once_a_folder(lambda item: _told(item.of_folder()))


def by_folder() -> AlbumOf:
    """By the name of the folder, or of the archive, that each lies in; of what comes from the web by none."""
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
    return normalised_text(text)[:LONGEST_TITLE].strip() if isinstance(text, str) else ""


def _told(file: bytes) -> tuple[str, str]:
    told = json_object(file)
    older = told.get("albumData")
    if isinstance(older, dict):  # as it was until 2019
        told = older
    description = told.get("description")
    # It writes some signs as HTML does.
    title, text = (html.unescape(one) if isinstance(one, str) else "" for one in (told.get("title"), description))
    return _title(title), text.replace("\0", "")[:5000]


class Met:
    """Hands on items, and remembers by which address and version each was met; not those that have no address."""

    def __init__(self, items: Iterable[Item], album_of: AlbumOf) -> None:
        self._items, self._album_of = items, album_of
        self._origins: defaultdict[str, list[int]] = defaultdict(list)  # there may be millions
        self._descriptions: dict[str, str] = {}

    def __iter__(self) -> Iterator[Item]:
        for item in self._items:
            title, description = self._album_of(item)
            if item.address and title:
                self._origins[title].append(origin_id(item.address, item.version).int)
                self._descriptions.setdefault(title, description)
            yield item

    def put_into_albums(self, called: str) -> Iterator[tuple[str, Revision]]:
        """Put the pictures of what was met into their albums; yield the title of each, and what was changed.

        It is the album of this title that is nobody's, or that everybody sees. Where there is none it is made, for
        everybody, as the pictures are. `called` is how the command was.
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
