"""Backup and restore of the whole collection: a database dump and the objects that it refers to.

May import the rooms above it in docs/architecture.md. A backup is a folder or a prefix of a bucket. Objects have their
own keys in it, shared by all backups there; each backup adds a dump, a list of its objects, and at last a manifest.
Verbs: `back_up`, `check`, `restore`.
"""

from search.backup.making import back_up
from search.backup.manifest import BackupError
from search.backup.restoring import Outcome, check, restore
from search.backup.targets import open_target

__all__ = [
    "BackupError",
    "Outcome",
    "back_up",
    "check",
    "open_target",
    "restore",
]
