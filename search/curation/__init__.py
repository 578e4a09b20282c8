"""Curation: changes of any number of pictures, each recorded as a revision that can be undone.

May import the rooms above it in docs/architecture.md. Verbs: `change` (used by views, the API, commands and the
admin), `undo`.
"""

from search.curation.album_deletion import delete_album, deleted_albums, is_of_deletion
from search.curation.bulk_changes import change
from search.curation.change_kinds import (
    AddToAlbum,
    Change,
    Describe,
    Hide,
    RemoveFromAlbum,
    Restore,
    Retag,
    Show,
    ShowTo,
    Tag,
    Trash,
    Untag,
)
from search.curation.revisions import record_since, recorded
from search.curation.tag_renaming import retag
from search.curation.undo import Undone, undo

__all__ = [
    "AddToAlbum",
    "Change",
    "Describe",
    "Hide",
    "RemoveFromAlbum",
    "Restore",
    "Retag",
    "Show",
    "ShowTo",
    "Tag",
    "Trash",
    "Undone",
    "Untag",
    "change",
    "delete_album",
    "deleted_albums",
    "is_of_deletion",
    "record_since",
    "recorded",
    "retag",
    "undo",
]
