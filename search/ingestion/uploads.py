"""Add uploaded pictures, or restore them from the trash."""

from dataclasses import replace
from typing import TYPE_CHECKING

from search.curation.bulk_changes import change
from search.curation.change_kinds import Restore
from search.curation.cleaned_details import Details
from search.curation.metadata_import import UPLOADED, Written
from search.decoding import Source
from search.ingestion.adding import Added, DeletedPicture, add_picture, is_curator
from search.models import Trashed
from search.models.albums import Visibility

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def add_or_restore(
    source: Source,
    details: Details,
    uploader: "User | None",
    *,
    written: Written = UPLOADED,
    visibility: str = Visibility.PUBLIC,
    door: str = "",
) -> Added:
    """Add one uploaded picture as `add_picture` does; curators restore one that is in the trash.

    Raises DeletedPicture for other users.
    """
    added = add_picture(source, details, uploader, written=written, visibility=visibility)
    if added.is_new or not Trashed.objects.filter(pk=added.image.pk).exists():
        return added
    if not is_curator(uploader):
        raise DeletedPicture
    change([added.image.pk], Restore(), by=uploader, door=door)
    added.image.refresh_from_db(fields=["hidden"])
    return replace(added, is_restored=True)
