"""What `ingest` skips in a folder, an archive and a bucket: recycle bins, previews, hidden files."""

import os
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from search.ingestion import Choices, FolderWatch, Rules, open_source
from search.ingestion.sources import Listed
from tests.base import picture_bytes, write_picture

LEFT_ALONE = [
    "#recycle/x.jpg",
    "#Recycle/sub/x.jpg",
    "#snapshot/GMT-2026/x.jpg",
    "@eaDir/a.jpg/SYNOPHOTO_THUMB_XL.jpg",
    "@tmp/x.jpg",
    "@Recycle/x.jpg",
    "@recycle/x.jpg",
    "sub/@Recently-Snapshot/x.jpg",
    "$RECYCLE.BIN/S-1-5-21/$R1.jpg",
    "$Recycle.Bin/x.jpg",
    "System Volume Information/x.jpg",
    "lost+found/x.jpg",
    ".Trash-1000/files/x.jpg",
    ".Trashes/501/x.jpg",
    ".thumbnails/x.jpg",
    "Thumbs/x.jpg",
    "Catalog Previews.lrdata/0/0A/x.jpg",
    "Catalog Smart Previews.LRDATA/x.jpg",
    "Catalog.lrcat-data/x.jpg",
    "Family.photoslibrary/resources/derivatives/x.jpeg",
    "Family.photoslibrary/Thumbnails/x.jpg",
    "Family.photoslibrary/Previews/2014/x.jpg",
    "Old.photolibrary/Thumbnails/x.jpg",
    "Old.aplibrary/Previews/x.jpg",
    "Old.migratedphotolibrary/Masters/x.jpg",
    "Session/CaptureOne/Cache/Thumbnails/x.jpg",
    "Work.cocatalog/Cache/x.jpg",
    "cloud/files_trashbin/x.jpg",
    "WhatsApp/Sent/x.jpg",
    "WhatsApp/Sent/deep/x.jpg",
    "__MACOSX/x.jpg",
    "._x.jpg",
    ".x.jpg",
]
TAKEN = [
    "a.jpg",
    "sub/b.jpg",
    "Family.photoslibrary/originals/A/c.jpg",
    "Family.photoslibrary/Masters/2014/d.jpg",
    "Old.aplibrary/Masters/e.jpg",
    "Work.cocatalog/Originals/f.jpg",
    "WhatsApp/g.jpg",
    "recycling/h.jpg",
    "holiday#recycle/i.jpg",
]
MARK = "WhatsApp/Sent/.nomedia"
DATA = picture_bytes(size=(16, 16))


def folder(path: Path) -> Path:
    for name in (*LEFT_ALONE, *TAKEN):
        (path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (path / "in" / name).write_bytes(DATA)
    (path / "in" / MARK).touch()
    return path / "in"


def a_zip(path: Path, separator: str = "/") -> Path:
    with zipfile.ZipFile(path / "in.zip", "w") as archive:
        for name in (*LEFT_ALONE, *TAKEN, MARK):
            member = zipfile.ZipInfo("-")
            member.filename = name.replace("/", separator)
            archive.writestr(member, DATA)
    return path / "in.zip"


def a_tar(path: Path) -> Path:
    with tarfile.open(path / "in.tar", "w") as archive:
        archive.add(folder(path), ".")
    return path / "in.tar"


def source(*places: object, exclude: tuple[str, ...] = (), include_hidden: bool = False) -> Listed:
    return open_source(map(str, places), Choices(rules=Rules(exclude=exclude, include_hidden=include_hidden)))


def names(root: Path, listed: Listed) -> set[str]:
    return {item.name.removeprefix(f"{root}/").removeprefix("./").replace("\\", "/") for item in listed}


@pytest.mark.parametrize(
    "made",
    [folder, a_zip, lambda path: a_zip(path, "\\"), a_tar],
    ids=["folder", "zip", "zip of Windows", "tar"],
)
def test_recycle_bins_previews_and_hidden_files_are_skipped(tmp_path: Path, made: Callable[[Path], Path]):
    root = made(tmp_path)
    listed = source(root)
    assert names(root, listed) == set(TAKEN)
    assert listed.problems == listed.notes == []
    assert listed.findings.not_read == Counter()
    assert listed.findings.left_alone > 20


@pytest.mark.parametrize("made", [folder, a_zip, a_tar], ids=["folder", "zip", "tar"])
def test_include_hidden_takes_them_all_except_files_that_are_never_pictures(
    tmp_path: Path, made: Callable[[Path], Path]
):
    root = made(tmp_path)
    never = {"._x.jpg", "__MACOSX/x.jpg"}
    taken = {name for name in names(root, source(root, include_hidden=True)) if not name.endswith(".nomedia")}
    assert taken == {*LEFT_ALONE, *TAKEN} - never


def test_a_glob_does_not_match_in_skipped_folders(tmp_path: Path):
    root = folder(tmp_path)
    assert names(root, source(f"{root}/**/*.jpg")) == set(TAKEN)
    assert "@Recycle/x.jpg" in names(root, source(f"{root}/**/*.jpg", include_hidden=True))


def test_parent_folders_of_a_named_path_are_never_skipped(tmp_path: Path):
    picture = write_picture(tmp_path / ".archive" / "#recycle" / "2019" / "a.jpg")
    for place in (picture.parent, picture, f"{picture.parent}/*.jpg"):
        assert len(list(source(place))) == 1


@pytest.mark.parametrize("name", ["#recycle", "@eaDir", "Previews.lrdata", "with-mark"])
def test_a_recycle_bin_from_a_shell_glob_is_reported_and_skipped(tmp_path: Path, name: str):
    write_picture(tmp_path / name / "x.jpg")
    (tmp_path / "with-mark").mkdir(exist_ok=True)
    (tmp_path / "with-mark" / ".nomedia").touch()
    listed = source(tmp_path / name)
    assert list(listed) == []
    assert [place for place, _ in listed.notes] == [str(tmp_path / name)]
    assert "--include-hidden" in listed.notes[0][1]
    write_picture(tmp_path / name / "x.jpg")
    assert len(list(source(tmp_path / name / "x.jpg"))) == 1


@pytest.mark.parametrize("name", ["Family.photoslibrary", "Family.PhotosLibrary"])
def test_only_the_originals_of_a_named_photo_library_are_taken(tmp_path: Path, name: str):
    for part in ("originals/0/a.jpg", "resources/derivatives/a_1.jpeg", "b.jpg"):
        write_picture(tmp_path / name / part)
    assert [Path(item.name).name for item in source(tmp_path / name)] == ["a.jpg"]


@pytest.mark.parametrize(
    ("globs", "left"),
    [
        (["*.png"], {"b.PNG", "trips/2019/d.png"}),
        (["2019"], {"trips/2019/c.jpg", "trips/2019/d.png", "other/2019/e.jpg"}),
        (["trips/2019"], {"trips/2019/c.jpg", "trips/2019/d.png"}),
        (["trips/2019/"], {"trips/2019/c.jpg", "trips/2019/d.png"}),
        (["trips/*"], {"trips/2019/c.jpg", "trips/2019/d.png"}),
        (["trips/*.png"], set()),
        (["trips/**/*.png"], {"trips/2019/d.png"}),
        (["[ab].*", "*/[!x]*/e.jpg"], {"a.jpg", "b.PNG", "other/2019/e.jpg"}),
        (["?.jpg"], {"a.jpg", "trips/2019/c.jpg", "other/2019/e.jpg", "f(1).jpg"} - {"f(1).jpg"}),
        (["f(1).jpg"], {"f(1).jpg"}),
        (["nothing"], set()),
    ],
)
@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_excluded_files_are_skipped(tmp_path: Path, globs: list[str], left: set[str], kind: str):
    all_of_them = {"a.jpg", "b.PNG", "trips/2019/c.jpg", "trips/2019/d.png", "other/2019/e.jpg", "f(1).jpg"}
    root = tmp_path / ("in" if kind == "folder" else "in.zip")
    if kind == "folder":
        for name in all_of_them:
            write_picture(root / name)
    else:
        with zipfile.ZipFile(root, "w") as archive:
            for name in all_of_them:
                archive.writestr(name, DATA)
    assert names(root, source(root, exclude=tuple(globs))) == all_of_them - left


def test_an_excluded_path_may_be_absolute_or_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("in/a/1.jpg", "in/b/2.jpg"):
        write_picture(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for glob in (f"{tmp_path}/in/a", "in/a", "in/a/*"):
        assert [Path(item.name).name for item in source("in", exclude=(glob,))] == ["2.jpg"]
    assert list(source("in/a/1.jpg", "in/a", exclude=("a", "1.jpg"))) == []


def test_an_excluded_archive_is_not_opened(tmp_path: Path):
    (tmp_path / "old.zip").write_bytes(b"no archive")
    listed = source(tmp_path / "old.zip", exclude=("*.zip",))
    assert (list(listed), listed.problems) == ([], [])


def test_a_watched_folder_follows_the_same_rules(tmp_path: Path):
    for name in ("a.jpg", "#recycle/x.jpg", ".hidden/y.jpg", "drafts/z.jpg"):
        os.utime(write_picture(tmp_path / name), (1_700_000_000, 1_700_000_000))

    def seen(rules: Rules) -> list[str]:
        return [Path(found.path).name for found in FolderWatch([str(tmp_path)], rules).look()]

    assert seen(Rules()) == ["a.jpg", "z.jpg"]
    assert seen(Rules(exclude=("drafts",))) == ["a.jpg"]
    assert seen(Rules(include_hidden=True)) == ["x.jpg", "y.jpg", "a.jpg", "z.jpg"]


def test_our_own_renditions_are_not_ingested(tmp_path: Path, settings: Any):
    settings.MEDIA_ROOT = tmp_path / "var" / "media"
    write_picture(tmp_path / "var" / "media" / "renditions" / "400" / "ab" / "abc.webp", format="WEBP")
    write_picture(tmp_path / "var" / "a.jpg")

    assert [item.name for item in open_source([str(tmp_path)])] == [str(tmp_path / "var" / "a.jpg")]
