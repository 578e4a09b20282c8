"""What curators do to any number of pictures, each time as a revision that can be undone.

Views, the API, commands and the admin change pictures through `change`, and put back what was changed through `undo`.
"""

from search.curation.albums import delete_album, deleted_albums, is_of_deletion
from search.curation.bulk_changes import change
from search.curation.changes import (
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
from search.curation.undo import Kept, Undone, undo

__all__ = [
    "AddToAlbum",
    "Change",
    "Describe",
    "Hide",
    "Kept",
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
