"""Files recognised as pictures by their contents, and other files."""

import io
import os
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from search.ingestion import FolderWatch, open_source
from search.ingestion.sources import Listed, local_files
from search.ingestion.sources.file_names import not_read
from tests.base import picture_bytes

JPEG = picture_bytes(size=(16, 16))
CONTENTS = {
    "IMG_0001": JPEG,
    "PNG": picture_bytes(size=(16, 16), format="PNG"),
    "photo.dat": JPEG,
    "photo.jpg_large": JPEG,
    "Mr. Smith at the sea": JPEG,
    "2019.06.01": JPEG,
    "renamed.psd": JPEG,
    "a.jpg": JPEG,
    "drawing.psd": b"8BPS",
    "film.MOV": JPEG,
    "film.mov": b"film",
    "half.jpg.part": JPEG[:50],
    "letter.pdf": b"%PDF-",
    "side.xmp": b"<x/>",
    "README": b"BMW and other words that are no picture, although they begin with BM",
    "empty": b"",
    "Makefile": b"all:\n",
    "blob.xyz": b"\0\1\2",
}
PICTURES = {
    "IMG_0001",
    "PNG",
    "photo.dat",
    "photo.jpg_large",
    "Mr. Smith at the sea",
    "2019.06.01",
    "renamed.psd",
    "a.jpg",
}
OTHERS = {".psd": 1, ".mov": 2, ".part": 1, ".pdf": 1, ".xmp": 1, "without a suffix": 3, ".xyz": 1}


def folder(path: Path, contents: dict[str, bytes] = CONTENTS) -> Path:
    for name, data in contents.items():
        (path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (path / "in" / name).write_bytes(data)
    return path / "in"


def a_zip(path: Path, contents: dict[str, bytes] = CONTENTS) -> Path:
    with zipfile.ZipFile(path / "in.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return path / "in.zip"


def a_tar(path: Path, contents: dict[str, bytes] = CONTENTS) -> Path:
    with tarfile.open(path / "in.tgz", "w:gz") as archive:
        for name, data in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path / "in.tgz"


def source(path: Path) -> Listed:
    return open_source([str(path)])


MADE = pytest.mark.parametrize("made", [folder, a_zip, a_tar], ids=["folder", "zip", "tar"])


@MADE
def test_pictures_are_recognised_by_their_first_bytes_and_other_files_counted_by_suffix(
    tmp_path: Path, made: Callable[..., Path]
):
    listed = source(made(tmp_path))
    taken = {os.path.basename(item.name): item.read() for item in listed}  # noqa: PTH119
    assert taken == {name: CONTENTS[name] for name in PICTURES}
    assert listed.findings.not_read == Counter(OTHERS)
    assert listed.problems == []


@MADE
def test_a_raw_file_is_skipped_if_the_camera_stored_a_picture_too(tmp_path: Path, made: Callable[..., Path]):
    contents = ["1.CR2", "1.JPG", "2.nef", "3.DNG", "3.dng.xmp", "3.heic", "sub/2.jpg", "4.jpg", "4.tif", "4.xmp"]
    listed = source(made(tmp_path, dict.fromkeys(contents, JPEG)))
    assert {os.path.basename(item.name) for item in listed} == {  # noqa: PTH119
        *("1.JPG", "2.nef", "3.heic", "2.jpg", "4.jpg", "4.tif")
    }
    beside = "beside the camera's own picture"
    assert listed.findings.not_read == {f".cr2 {beside}": 1, f".dng {beside}": 1}


@pytest.mark.parametrize(
    "suffix",
    "jpg tif TIFF bmp dib jp2 j2k jpf jpx dng nef cr2 cr3 arw raf orf RW2".split(),  # noqa: SIM905
)
def test_files_with_these_suffixes_are_listed_unread(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(local_files, "head_of", None)
    assert len(list(source(folder(tmp_path, {f"a.{suffix}": b""})))) == 1


@pytest.mark.parametrize("suffix", ["mov", "xmp", "txt", "part", "db", "ai"])
def test_files_with_suffixes_of_other_kinds_are_not_opened(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(local_files, "head_of", None)
    assert list(source(folder(tmp_path, {f"a.{suffix}": JPEG}))) == []


def test_a_glob_may_match_files_without_a_suffix(tmp_path: Path):
    root = folder(tmp_path)
    listed = open_source([f"{root}/*"])
    assert {os.path.basename(item.name) for item in listed} == PICTURES  # noqa: PTH119
    assert listed.findings.not_read == Counter(OTHERS)


def test_an_unreadable_file_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = folder(tmp_path, {"secret": JPEG})

    def refused(*arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refused)
    listed = source(root)
    assert (list(listed), listed.findings.not_read) == ([], {"without a suffix": 1})


def test_a_watched_folder_is_opened_once_and_again_when_a_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    root = folder(tmp_path, {"a": JPEG, "b": b"text"})
    for name in ("a", "b"):
        os.utime(root / name, (1_700_000_000, 1_700_000_000))
    looked_into = []
    head_of = local_files.head_of
    monkeypatch.setattr(local_files, "head_of", lambda path: looked_into.append(path[-1]) or head_of(path))
    watch = FolderWatch([str(root)])
    assert [found.path[-1] for found in watch.look()] == ["a"]
    assert watch.not_read == {"without a suffix": 1}
    watch.look()
    assert (watch.not_read, looked_into) == (Counter(), ["a", "b"])
    (root / "b").write_bytes(JPEG)
    os.utime(root / "b", (1_700_000_001, 1_700_000_001))
    assert [found.path[-1] for found in watch.look()] == ["a", "b"]
    assert looked_into == ["a", "b", "b"]


def test_the_summary_lists_the_most_frequent_kinds():
    assert not_read(Counter()) == ""
    assert not_read(Counter({".pdf": 3, ".mov": 1200})) == "Not read: 1,200 .mov, 3 .pdf."
    many = not_read(Counter({f".{letter}": 2 for letter in "abcdefghijklmno"}))
    assert many.endswith(", 6 of other kinds.")
