"""Delete and restore albums, with their pictures, order, cover and links."""

import datetime as dt
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from search.models import Album, AlbumImage, Revision
from search.models.albums import edits_all
from search.models.conflicts import wait_briefly

_AT_ONCE = 20
_SHOWN, _LOOKED_AT = 20, 200


@transaction.atomic
def delete_album(album: Album, *, by: Any = None, door: str = Revision.Door.ELSEWHERE) -> Revision:
    """Delete an album; return the revision, which can be undone for TRASH_DAYS. It is unsaved (no pk) if there is no
    trash, or if the album was deleted already. Its pictures are not changed."""
    there = Album.objects.select_for_update().kept().filter(pk=album.pk).first()
    if there and not settings.TRASH_DAYS:
        there.delete()
    if there is None or not settings.TRASH_DAYS:
        return Revision(kind=Revision.Kind.DELETE_ALBUM, by=by, door=door)
    return _set_deleted(there, Revision(kind=Revision.Kind.DELETE_ALBUM, by=by, door=door), is_deleted=True)


def deleted_albums(user: Any) -> list[Revision]:
    """Return the latest album deletions that this user may undo, newest first; `given` has the titles."""
    deleted = Revision.objects.filter(kind=Revision.Kind.DELETE_ALBUM, undone_by=None)
    if not edits_all(user):
        deleted = deleted.filter(by=user)
    some = list(deleted[:_LOOKED_AT])
    albums = {revision.given["album"] for revision in some}
    gone = set(Album.objects.exclude(deleted=None).filter(pk__in=albums).values_list("pk", flat=True))
    return [revision for revision in some if revision.given["album"] in gone][:_SHOWN]


def is_of_deletion(revision: Revision) -> bool:
    """Whether the revision deleted or restored an album."""
    return "deleted" in revision.given


def undo_deletion(revision: Revision, made: Revision) -> bool:
    """Undo the deletion or the restoration of an album, recorded as `made`. Returns False if it was undone before.
    Call in a transaction.

    Raises Revision.DoesNotExist if the album is gone for good.
    """
    wait_briefly()
    album = Album.objects.select_for_update().filter(pk=revision.given["album"]).first()
    if album is None:
        raise Revision.DoesNotExist
    # An earlier undo must not be repeated over what others did since.
    if revision.was_undone_by_now():
        return False
    if (album.deleted is not None) is not revision.given["deleted"]:
        return False
    _set_deleted(album, made, is_deleted=not revision.given["deleted"])
    return True


def _set_deleted(album: Album, revision: Revision, *, is_deleted: bool) -> Revision:
    Album.objects.filter(pk=album.pk).update(deleted=Now() if is_deleted else None)
    revision.given = {"album": album.pk, "title": album.title, "deleted": is_deleted}
    revision.fields, revision.count = ["albums"], AlbumImage.objects.filter(album=album).count()
    revision.save(force_insert=True)
    return revision


def delete_old_albums() -> bool:
    """Delete a batch of albums whose time in the trash is over; return whether there may be more."""
    until = timezone.now() - dt.timedelta(days=settings.TRASH_DAYS)
    old = list(Album.objects.filter(deleted__lte=until).values_list("pk", flat=True)[:_AT_ONCE])
    Album.objects.filter(pk__in=old, deleted__lte=until).delete()
    return len(old) == _AT_ONCE
