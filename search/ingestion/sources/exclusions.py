"""Which files and folders are skipped: recycle bins, hidden ones, and pictures that programs derived from others."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.utils.functional import cached_property

from search.text.normalization import composed

NO_MEDIA = ".nomedia"
"""The file by which Android apps mark a folder as not to be shown."""
_NEVER_PICTURES = ("._", "__macosx")
"""Prefixes of the names of macOS resource forks, and of the folder that has them in its ZIPs."""
_SYSTEM_NAMES = frozenset(
    {
        # Recycle bins, snapshots and working folders: Synology, QNAP and other storages, Samba, Windows, Linux.
        *("@eadir", "#recycle", "#snapshot", "@tmp", "@sharebin", "@sharesnap"),
        *("@recycle", "@recently-snapshot", "@transcode", "@__thumb", "network trash folder", "~snapshot"),
        *("$recycle.bin", "recycler", "recycled", "system volume information", "lost+found"),
        # Nextcloud's: what was deleted, and earlier versions.
        *("files_trashbin", "files_versions"),
        # Thumbnails.
        *("thumbs", "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "zbthumbnail.info", "desktop.ini", "picasa.ini"),
    }
)
_MADE_BY_PROGRAMS = (".lrdata", ".lrcat-data")
"""Previews of Lightroom, in folders of their own."""
_LIBRARIES = {
    **dict.fromkeys((".photoslibrary", ".photolibrary", ".aplibrary"), ("originals", "masters")),
    **dict.fromkeys((".migratedphotolibrary", ".migratedaplibrary"), ()),  # also in a .photoslibrary
    ".cocatalog": ("originals",),
}
"""Suffixes of the library folders of Photos, iPhoto, Aperture and Capture One, and their subfolders with originals."""


def is_hidden(name: str) -> bool:
    """Whether a name is hidden."""
    return name.startswith(".")


def is_system_name(name: str) -> bool:
    """Whether a folder or file of this name is a recycle bin, a cache or the like, of any system."""
    name = name.lower()
    return name in _SYSTEM_NAMES or name.endswith(_MADE_BY_PROGRAMS)


def _is_derived(parent: str, name: str) -> bool:
    """Whether an entry of the folder `parent` belongs to a program's library but not to its originals."""
    parent = parent.lower()
    for suffix, originals in _LIBRARIES.items():
        if parent.endswith(suffix):
            return name.lower() not in originals
    return parent == "captureone" and name.lower() in {"cache", "settings"}


@dataclass(frozen=True)
class Rules:
    """Which entries of a place are skipped; `exclude` has the user's own globs, as given to `--exclude`."""

    include_hidden: bool = False
    exclude: Sequence[str] = field(default=())

    def leave(self, parent: str, name: str) -> bool:
        """Whether a file or folder is skipped, by its name and that of its parent."""
        if name.lower().startswith(_NEVER_PICTURES):
            return True
        if self.include_hidden:
            return False
        return is_hidden(name) or is_system_name(name) or _is_derived(parent, name)

    def excludes(self, path: str) -> bool:
        """Whether the user's globs exclude the file, folder or object at `path`."""
        if not self.exclude:
            return False
        if "://" not in path:
            path = os.path.abspath(path)  # noqa: PTH100 - paths are plain text here, millions of them
        path = composed(path)
        return any(pattern.fullmatch(path) for pattern in self._patterns)

    def skips_any(self, root: str, parts: Sequence[str]) -> bool:
        """Whether something below `root` is skipped, for its own name or that of a folder on the way."""
        parent, path = root.rpartition("/")[2], root
        for name in parts:
            path = f"{path}/{name}"
            if self.leave(parent, name) or self.excludes(path):
                return True
            parent = name
        return False

    @cached_property
    def _patterns(self) -> "list[re.Pattern[str]]":
        return [_pattern(glob) for glob in self.exclude]


USUAL = Rules()


def _pattern(glob: str) -> "re.Pattern[str]":
    """Compile a glob. It matches names at any depth, or the end of a path if it has a slash.

    `*` stays within a name, `**` crosses folders. Case is ignored, since `*.jpg` means `.JPG` too. Paths are matched
    in Unicode NFC.
    """
    glob = composed(glob).replace("\\", "/").rstrip("/")
    start = "" if glob.startswith("/") or "://" in glob else "(?:.*/)?"
    return re.compile(start + "".join(_translated(glob)), re.IGNORECASE | re.DOTALL)


_PARTS = re.compile(r"\*\*/|\*\*|\*|\?|\[!?\]?[^]/]*\]|.", re.DOTALL)


def _translated(glob: str) -> Iterator[str]:
    for part in _PARTS.findall(glob):
        if part == "**/":
            yield "(?:.*/)?"
        elif part == "**":
            yield ".*"
        elif part == "*":
            yield "[^/]*"
        elif part == "?":
            yield "[^/]"
        elif len(part) > 1:
            inside = part[1:-1].replace("\\", "\\\\").replace("[", "\\[")
            yield f"[^/{inside[1:]}]" if inside.startswith("!") else f"[{inside}]"
        else:
            yield re.escape(part)
