"""Sidecars: files beside a picture with metadata about it, found by name."""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from search.containers.accepted_formats import RAW_EXTENSIONS
from search.text.normalization import composed

LONGEST_SIDECAR = 1_000_000
"""Maximum bytes of a sidecar."""
SUFFIXES = ("xmp", "json", "txt")
_NUMBERED = re.compile(r"(.+?)\((\d{1,4})\)$")
_SUPPLEMENT = ".supplemental-metadata"
_SHORTEST_CUT = 43
"""Characters to which Google cuts a name before ".json", with or without a number."""
_EDITED = (
    "-edited",
    "-effects",
    "-smile",
    "-mix",
    "-bearbeitet",
    "-modifié",
    "-editado",
    "-ha editado",
    "-editat",
    "-edytowane",
    "-modificato",
    "-bewerkt",
    "-수정됨",
    "-編集済み",
    "-已修改",
)
_ABOUT_ALBUMS = (
    *("metadata", "metadaten", "métadonnées", "metadatos", "metadati", "metadados", "metagegevens", "metadane"),
    *("метаданные", "메타데이터", "メタデータ", "元数据", "中繼資料"),
)
"""Names of Google's file about an album, by the language of the account, without ".json"."""


class Neighbours:
    """The sidecars of one folder, by the picture that they belong to."""

    def __init__(self, names: Iterable[str]) -> None:
        """`names` are those of all files in the folder."""
        self._names: dict[str, str] = {}
        self._long: list[str] = []
        self._kinds: set[str] = set()
        for name in names:
            stem, dot, suffix = name.rpartition(".")
            if dot and suffix.lower() in SUFFIXES:
                self._names.setdefault(_key(stem, suffix), name)
                self._kinds.add(suffix.lower())
            elif len(name) > _SHORTEST_CUT:
                self._long.append(name)

    @property
    def about_album(self) -> str | None:
        """The name of Google's file about an album, in any language and Unicode form."""
        found = (self._names.get(_key(stem, "json")) for stem in _ABOUT_ALBUMS)
        return next((name for name in found if name and name.endswith(".json")), None)

    def of(self, name: str) -> dict[str, str]:
        """Return the names of a picture's sidecars by suffix; those with its full name take precedence."""
        stem = _stem(name)
        found: dict[str, str | None] = {}
        if "txt" in self._kinds:
            # Captions have the stem alone: `page.jpg.txt` is not about `page.jpg`.
            found["txt"] = self._names.get(_key(stem, "txt"))
        if "xmp" in self._kinds:
            paths = (self._names.get(_key(one, "xmp")) for one in (name, stem, *_raws(stem)))
            found["xmp"] = next(filter(None, paths), None)
        if "json" in self._kinds:
            names = dict.fromkeys((name, _unedited(name)))
            google = next(filter(None, map(self._of_google, names)), None)
            found["json"] = google or self._names.get(_key(stem, "json"))
        return {suffix: path for suffix, path in found.items() if path}

    def _of_google(self, name: str) -> str | None:
        """Return Google's sidecar of a picture: "IMG_1.JPG.supplemental-metadata.json", possibly cut, with the number
        at the end.

        "IMG_1(2).JPG" has "IMG_1.JPG(2).json".
        """
        numbers = [("", name)]
        stem, dot, suffix = name.rpartition(".")
        if match := _NUMBERED.fullmatch(stem):
            numbers.insert(0, (f"({match[2]})", f"{match[1]}{dot}{suffix}"))
        for number, plain in numbers:
            whole = plain + _SUPPLEMENT
            for length in range(len(whole), min(len(plain), _SHORTEST_CUT) - 1, -1):
                found_name = self._names.get(_key(whole[:length] + number, "json"))
                # A cut name that fits two pictures is given to neither.
                if found_name and (length >= len(plain) or self._is_one(whole[:length])):
                    return found_name
        return None

    def _is_one(self, beginning: str) -> bool:
        """Whether only one picture's name begins like this."""
        key = _key(beginning)[:-1]
        return len(list(islice((name for name in self._long if composed(name).casefold().startswith(key)), 2))) < 2


def _raws(stem: str) -> Iterator[str]:
    """Yield possible names of the RAW file taken together with a picture, which may have the sidecar."""
    return (stem + extension for extension in RAW_EXTENSIONS)


def _key(stem: str, suffix: str = "") -> str:
    return composed(f"{stem}.{suffix}").casefold()


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name


def _unedited(name: str) -> str:
    """Return the name of the original of an edited picture, which has no sidecar of its own."""
    stem, dot, suffix = composed(name).rpartition(".")
    # The number of a name that occurs several times follows: "IMG_1-edited(2).jpg" was "IMG_1(2).jpg".
    match = _NUMBERED.fullmatch(stem)
    stem, number = (match[1], f"({match[2]})") if match else (stem, "")
    ending = next((one for one in _EDITED if stem.casefold().endswith(one)), "")
    return f"{stem[: len(stem) - len(ending)]}{number}{dot}{suffix}" if ending else name


def json_object(data: bytes) -> dict[str, Any]:
    """Return a JSON object; {} for anything else."""
    try:
        found = json.loads(data) if data and len(data) <= LONGEST_SIDECAR else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
