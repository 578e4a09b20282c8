"""What curators do to any number of pictures, each time as a revision that can be undone.

Views, the API, commands and the admin change pictures through `change`, and put back what was changed through `undo`.
"""

from search.curation.changes import Change, Describe, Hide, Restore, Show, Tag, Trash, Untag
from search.curation.changing import change
from search.curation.recording import record_since, recorded
from search.curation.renaming import retag
from search.curation.undoing import Kept, Undone, undo

__all__ = [
    "Change",
    "Describe",
    "Hide",
    "Kept",
    "Restore",
    "Show",
    "Tag",
    "Trash",
    "Undone",
    "Untag",
    "change",
    "record_since",
    "recorded",
    "retag",
    "undo",
]
