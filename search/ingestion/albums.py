"""What is ingested into an album: all that a source offers, new and known, by where each was met."""

import uuid
from collections.abc import Iterable, Iterator

from django.db.models import Q

from search.curation import AddToAlbum, change
from search.ingestion.items import Item
from search.models import Album, Origin, Revision
from search.models.albums import Visibility
from search.models.ingestion import origin_id

_AT_ONCE = 5_000


class Met:
    """Hands on items, and remembers by which address and version each was met; not those that have no address."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = items
        self._origins: list[int] = []  # there may be millions

    def __iter__(self) -> Iterator[Item]:
        for item in self._items:
            if item.address:
                self._origins.append(origin_id(item.address, item.version).int)
            yield item

    def put_into(self, title: str, called: str) -> Revision:
        """Put the pictures of what was met into the album of this title that is nobody's, or that everybody sees.

        Where there is none it is made, for everybody, as the pictures are. `called` is how the command was.
        """
        theirs = Q(owner=None) | Q(visibility=Visibility.PUBLIC)
        album = Album.objects.filter(theirs, title=title).order_by("pk").first()
        if album is None:
            album = Album.objects.create(title=title, visibility=Visibility.PUBLIC)
        ids: set[uuid.UUID] = set()
        for start in range(0, len(self._origins), _AT_ONCE):
            some = [uuid.UUID(int=number) for number in self._origins[start : start + _AT_ONCE]]
            ids.update(Origin.objects.filter(pk__in=some).values_list("image_id", flat=True))
        return change(ids, AddToAlbum(album), door=Revision.Door.COMMAND, search=called)
