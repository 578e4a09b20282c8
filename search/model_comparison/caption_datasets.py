"""Read caption sets in their published formats: COCO, Flickr30k and XM3600 (Crossmodal-3600)."""

import json
import re
from collections.abc import Iterator, Mapping
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TypeAlias

from search.ingestion.table_encodings import encoding_of
from search.ingestion.table_formats import MetadataError, Row

Lines: TypeAlias = Iterator[tuple[str, Row | str]]
"""(position, row), or instead of the row the reason why it can't be used."""

FORMS = ("comment", "caption", "raw")
"""Columns that identify the format of a table: Flickr30k's `results.csv` (image_name| comment_number| comment), a
`captions.txt` (image,caption), or the table of splits (raw, filename, split)."""
_TOKEN = re.compile(r"(\S[^\t#]*)#\d+[a-z]?\t(.*)")
"""A line of `results_20130124.token`: 1000092795.jpg#0, a tab, the caption."""
_LOCALE = re.compile(r"[a-z]{2,3}([-_][a-z0-9]+)*")
_PICTURE_COLUMNS = ("image_name", "image", "filename", "file_name", "path")


def captions_of(row: Row) -> Iterator[tuple[Any, str, Any]]:
    """Yield (caption, language, picture name) of a row; the language is "" if not given."""
    if "image/key" in row:
        yield from _crossmodal(row)
        return
    picture = next((row[column] for column in _PICTURE_COLUMNS if row.get(column)), None)
    language = str(row.get("language") or "")
    if "raw" in row:
        yield from ((text, language, picture) for text in _listed(row["raw"]))
    else:
        yield row.get("comment") or row.get("caption"), language, picture


def _crossmodal(row: Row) -> Iterator[tuple[Any, str, Any]]:
    """An XM3600 line has the captions of one picture by language: {"image/key": ..., "ko": {"caption": [...]}}."""
    key = row["image/key"]
    picture = f"{key}.jpg" if key else None
    found = False
    for language, said in row.items():
        if isinstance(said, Mapping) and _LOCALE.fullmatch(language):
            for text in _listed(said.get("caption")):
                found = True
                yield text, language, picture
    if not found:
        yield None, "", picture


def _listed(value: Any) -> list[Any]:
    """Return a list of captions, which in CSV is JSON; any other value is one caption."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return [None]
    if isinstance(value, list):
        return value or [None]
    return [value]


def token_captions(path: Path) -> Lines | None:
    """Return the lines of a Flickr30k or 8k token file; None for another file. Raises MetadataError."""
    try:
        with path.open("rb") as file:
            encoding = encoding_of(file)
        with path.open(encoding=encoding, errors="replace") as file:
            first = next((line for line in file if line.strip()), "")
    except OSError as error:
        raise MetadataError(f"{path.name} can't be read: {error.strerror or error}") from error
    if not _TOKEN.match(first) and path.suffix.lower() != ".token":
        return None
    return _tokens(path, encoding)


def _tokens(path: Path, encoding: str) -> Lines:
    with TextIOWrapper(path.open("rb"), encoding=encoding, errors="replace") as file:
        for number, line in enumerate(file, start=1):
            where = f"{path.name} line {number}"
            if match := _TOKEN.match(line):
                yield where, {"image": match[1], "caption": match[2]}
            elif line.strip():
                yield where, "This line is not a picture's name with #, a number, a tab and a caption."


def json_captions(path: Path) -> Lines:
    """Yield the captions of a COCO JSON file, or of Karpathy's splits. Raises MetadataError."""
    try:
        with path.open("rb") as file:
            content = json.load(file)
    except OSError as error:
        raise MetadataError(f"{path.name} can't be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise MetadataError(f"{path.name} is not JSON: {error}") from error
    images = content.get("images") if isinstance(content, dict) else None
    if isinstance(images, list) and isinstance(content.get("annotations"), list):
        yield from _coco(path.name, images, content["annotations"])
    elif isinstance(images, list) and any(isinstance(one, dict) and "sentences" in one for one in images):
        yield from _with_sentences(path.name, images)
    else:
        raise MetadataError(
            f"{path.name} has no captions: those of COCO have the lists `images` and `annotations`, as in "
            "captions_val2017.json."
        )


def _coco(name: str, images: list[Any], annotations: list[Any]) -> Lines:
    files = {one["id"]: one.get("file_name") for one in images if isinstance(one, dict) and _is_id(one.get("id"))}
    for number, one in enumerate(annotations):
        where = f"{name} annotations[{number}]"
        if not isinstance(one, dict) or "caption" not in one:
            yield where, "This has no caption."
        elif not _is_id(one.get("image_id")) or one["image_id"] not in files:
            yield where, f"This is of the image {one.get('image_id')!r}, which is not among the file's images."
        else:
            yield where, {"image": files[one["image_id"]], "caption": one["caption"]}


def _is_id(value: Any) -> bool:
    return isinstance(value, (int, str))


def _with_sentences(name: str, images: list[Any]) -> Lines:
    for number, one in enumerate(images):
        where = f"{name} images[{number}]"
        sentences = one.get("sentences") if isinstance(one, dict) else None
        if not isinstance(sentences, list):
            yield where, "This has no sentences."
        else:
            texts = [said.get("raw") if isinstance(said, dict) else None for said in sentences]
            yield where, {"filename": one.get("filename"), "raw": texts, "split": one.get("split")}
