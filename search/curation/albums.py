"""Deleting an album, and bringing it back: with its pictures, their order, its cover, and the links to it."""

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
    """Delete an album; return the revision, by which it can be brought back for TRASH_DAYS. Its key is None where
    there is no trash, or where somebody else was quicker. Its pictures stay what they are."""
    there = Album.objects.select_for_update().kept().filter(pk=album.pk).first()
    if there and not settings.TRASH_DAYS:
        there.delete()
    if there is None or not settings.TRASH_DAYS:
        return Revision(kind=Revision.Kind.DELETE_ALBUM, by=by, door=door)
    return _set_deleted(there, Revision(kind=Revision.Kind.DELETE_ALBUM, by=by, door=door), is_deleted=True)


def deleted_albums(user: Any) -> list[Revision]:
    """Return the last deletions of albums that this person may undo, the last first; `given` has their titles."""
    deleted = Revision.objects.filter(kind=Revision.Kind.DELETE_ALBUM, undone_by=None)
    if not edits_all(user):
        deleted = deleted.filter(by=user)
    some = list(deleted[:_LOOKED_AT])
    albums = {revision.given["album"] for revision in some}
    gone = set(Album.objects.exclude(deleted=None).filter(pk__in=albums).values_list("pk", flat=True))
    return [revision for revision in some if revision.given["album"] in gone][:_SHOWN]


def is_of_deletion(revision: Revision) -> bool:
    """Whether it has deleted an album, or has brought one back."""
    return "deleted" in revision.given


def undo_deletion(revision: Revision, made: Revision) -> bool:
    """Bring back the album that a revision has deleted, or delete again the one that it has brought back; `made` says
    it. Returns whether that was done: not where it was done before. In a transaction.

    Raises Revision.DoesNotExist where the album is gone for good.
    """
    wait_briefly()
    album = Album.objects.select_for_update().filter(pk=revision.given["album"]).first()
    if album is None:
        raise Revision.DoesNotExist
    # By an older revision of their own nobody undoes what somebody else has done since.
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
    """Delete some for good that were deleted long ago; return whether there may be more."""
    until = timezone.now() - dt.timedelta(days=settings.TRASH_DAYS)
    old = list(Album.objects.filter(deleted__lte=until).values_list("pk", flat=True)[:_AT_ONCE])
    Album.objects.filter(pk__in=old, deleted__lte=until).delete()
    return len(old) == _AT_ONCE
