"""Copies of the whole collection elsewhere, and back: what the database says, and the objects that it names.

A backup is a folder or a prefix of a bucket. Objects lie in it under their own keys, once for all backups that are
made there; each backup adds a dump of the database, a list of its objects, and at last a manifest.
"""

from search.backup.making import back_up
from search.backup.manifest import BackupError, Manifest, manifests
from search.backup.restoring import Outcome, check, restore, what_is_here
from search.backup.targets import open_target

__all__ = [
    "BackupError",
    "Manifest",
    "Outcome",
    "back_up",
    "check",
    "manifests",
    "open_target",
    "restore",
    "what_is_here",
]
