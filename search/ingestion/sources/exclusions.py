"""What is left alone: recycle bins, what is hidden, and pictures that programs have made from others."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.utils.functional import cached_property

NO_MEDIA = ".nomedia"
"""The name of a file by which Android's programs say that the folder it lies in is not to be shown."""
_NEVER_PICTURES = ("._", "__macosx")
"""How the names of what macOS keeps beside a file begin, and of the folder where its ZIPs have that."""
_PUT_ASIDE = frozenset(
    {
        # Recycle bins, snapshots and working folders: Synology, QNAP and other storages, Samba, Windows, Linux.
        *("@eadir", "#recycle", "#snapshot", "@tmp", "@sharebin", "@sharesnap"),
        *("@recycle", "@recently-snapshot", "@transcode", "@__thumb", "network trash folder", "~snapshot"),
        *("$recycle.bin", "recycler", "recycled", "system volume information", "lost+found"),
        # Nextcloud's: what was deleted, and earlier versions.
        *("files_trashbin", "files_versions"),
        # Small copies.
        *("thumbs", "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "zbthumbnail.info", "desktop.ini", "picasa.ini"),
    }
)
_MADE_BY_PROGRAMS = (".lrdata", ".lrcat-data")
"""Previews of Lightroom, in folders of their own."""
_LIBRARIES = {
    **dict.fromkeys((".photoslibrary", ".photolibrary", ".aplibrary"), ("originals", "masters")),
    **dict.fromkeys((".migratedphotolibrary", ".migratedaplibrary"), ()),  # whose pictures a .photoslibrary has too
    ".cocatalog": ("originals",),
}
"""Folders that are a library of Photos, iPhoto, Aperture or Capture One, and what in them holds originals."""


def is_hidden(name: str) -> bool:
    """Whether a name is hidden."""
    return name.startswith(".")


def is_put_aside(name: str) -> bool:
    """Whether a folder or file of this name is a recycle bin, a cache or the like, whoever's it is."""
    name = name.lower()
    return name in _PUT_ASIDE or name.endswith(_MADE_BY_PROGRAMS)


def _is_derived(parent: str, name: str) -> bool:
    """Whether what lies in the folder `parent` is not one of the originals that a program keeps there."""
    parent = parent.lower()
    for suffix, originals in _LIBRARIES.items():
        if parent.endswith(suffix):
            return name.lower() not in originals
    return parent == "captureone" and name.lower() in {"cache", "settings"}


@dataclass(frozen=True)
class Rules:
    """What of a place is left alone, beside what the person asks for in `exclude`, globs as `--exclude` takes them."""

    include_hidden: bool = False
    exclude: Sequence[str] = field(default=())

    def leave(self, parent: str, name: str) -> bool:
        """Whether a file or folder is left alone, by its name and that of the folder that it lies in."""
        if name.lower().startswith(_NEVER_PICTURES):
            return True
        if self.include_hidden:
            return False
        return is_hidden(name) or is_put_aside(name) or _is_derived(parent, name)

    def excludes(self, path: str) -> bool:
        """Whether the person wants the file, folder or object at `path` to be left out."""
        if not self.exclude:
            return False
        if "://" not in path:
            path = os.path.abspath(path)  # noqa: PTH100 - paths are plain text here, millions of them
        return any(pattern.fullmatch(path) for pattern in self._patterns)

    def leave_any(self, root: str, parts: Sequence[str]) -> bool:
        """Whether something below `root` is left alone, for its own name or for that of a folder on the way."""
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
    """Return what a glob matches: names at any depth, or the end of a path where it has a slash.

    `*` stays within a name, `**` goes across folders. Upper and lower case are one, as `*.jpg` means `.JPG` too.
    """
    glob = glob.replace("\\", "/").rstrip("/")
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
