"""The files that the arguments of `ingest` name."""

import gzip
import os
import socket
from pathlib import Path

import pytest

from search.curation.cleaned_details import Details
from search.ingestion import Choices, open_source
from search.ingestion.sources import local_files
from tests.base import write_picture


def names(*patterns: object) -> list[str]:
    return [Path(item.name).name for item in open_source(map(str, patterns))]


def test_a_folder_stands_for_all_pictures_below_it_in_order(tmp_path: Path):
    for name in ("b.jpg", "a.PNG", "deep/er/c.webp", "notes.txt", ".hidden.jpg", ".git/d.jpg"):
        write_picture(tmp_path / name)
    assert names(tmp_path) == ["a.PNG", "b.jpg", "c.webp"]


def test_a_named_file_is_taken_whatever_its_suffix(tmp_path: Path):
    assert names(write_picture(tmp_path / "picture-without-suffix")) == ["picture-without-suffix"]


def test_a_glob_is_expanded(tmp_path: Path):
    for name in ("x/1.jpg", "x/2.jpg", "y/3.jpg", "y/4.txt"):
        write_picture(tmp_path / name)
    assert names(f"{tmp_path}/**/*.jpg") == ["1.jpg", "2.jpg", "3.jpg"]


def test_a_file_name_with_brackets_is_not_a_glob(tmp_path: Path):
    write_picture(tmp_path / "holiday [1].jpg")
    assert names(tmp_path / "holiday [1].jpg") == ["holiday [1].jpg"]


def test_a_missing_file_is_reported(tmp_path: Path):
    problems = open_source([str(tmp_path / "gone.jpg"), str(tmp_path / "*.jpg")]).problems
    assert [name for name, _ in problems] == [str(tmp_path / "gone.jpg"), str(tmp_path / "*.jpg")]


def test_a_file_is_listed_once_however_often_it_is_named(tmp_path: Path):
    picture = write_picture(tmp_path / "a.jpg")
    assert names(tmp_path, picture, tmp_path) == ["a.jpg"]


def test_circular_links_end(tmp_path: Path):
    write_picture(tmp_path / "in" / "a.jpg")
    (tmp_path / "in" / "again").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "self").symlink_to("self")
    source = open_source([str(tmp_path)])
    assert [Path(item.name).name for item in source] == ["a.jpg"]
    assert source.problems == []


def test_links_that_lead_nowhere_are_counted(tmp_path: Path):
    (tmp_path / "a.jpg").symlink_to(tmp_path / "on a disk that is not mounted.jpg")

    source = open_source([str(tmp_path)])

    assert list(source) == []
    assert source.findings.not_read == {"with a broken link": 1}


def test_a_link_to_a_folder_is_followed(tmp_path: Path):
    write_picture(tmp_path / "elsewhere" / "a.jpg")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path / "elsewhere")
    assert names(tmp_path / "in") == ["a.jpg"]


def test_pipes_and_sockets_are_skipped(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket.jpg"))
        source = open_source([str(tmp_path)])
    assert (list(source), source.problems) == ([], [])


def test_a_named_pipe_given_as_an_argument_is_reported(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert open_source([str(tmp_path / "pipe.jpg")]).problems == [
        (str(tmp_path / "pipe.jpg"), "This is neither a file nor a folder.")
    ]


def test_a_file_and_a_link_to_it_are_listed_once(tmp_path: Path):
    picture = write_picture(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").symlink_to(picture)
    assert names(picture, tmp_path / "b.jpg") == ["a.jpg"]


def test_an_unreadable_folder_is_reported_and_does_not_stop_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_picture(tmp_path / "a" / "a.jpg")
    write_picture(tmp_path / "b" / "b.jpg")
    scandir = os.scandir

    def fails_for_a(path: str) -> object:
        if str(path).endswith("/a"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", fails_for_a)
    source = open_source([str(tmp_path)])
    assert [Path(item.name).name for item in source] == ["b.jpg"]
    assert source.problems == [(str(tmp_path / "a"), "Permission denied")]


def test_a_file_has_an_address_and_a_version_that_changes_with_it(tmp_path: Path):
    picture = write_picture(tmp_path / "real" / "a.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (first,) = open_source([str(tmp_path / "link")])
    (again,) = open_source([str(picture)])
    assert (first.address, first.version) == (again.address, again.version)
    assert first.address == str(picture.resolve())
    write_picture(picture, "blue", size=(99, 99))
    (changed,) = open_source([str(picture)])
    assert changed.version != first.version
    assert changed.read() == picture.read_bytes()


def test_an_undecodable_name_has_an_address_that_the_database_accepts(tmp_path: Path):
    path = write_picture(tmp_path / os.fsdecode(b"caf\xe9.jpg"))
    (item,) = open_source([str(tmp_path)])
    assert item.address.encode().endswith(b"caf\\udce9.jpg")
    assert item.read() == path.read_bytes()


def test_the_number_of_files_is_known_before_the_first_is_read(tmp_path: Path):
    for number in range(5):
        write_picture(tmp_path / f"{number}.jpg")
    source = open_source([str(tmp_path)])
    assert (source.total, len(source)) == (5, 5)


def test_very_many_files_are_listed_while_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for number in range(5):
        write_picture(tmp_path / f"{number}.jpg")
    monkeypatch.setattr(local_files, "AHEAD", 3)
    source = open_source([str(tmp_path)])
    assert (source.total, len(source)) == (None, 0)
    assert [Path(item.name).name for item in source] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg", "4.jpg"]
    assert (source.total, len(source)) == (5, 5)


@pytest.mark.parametrize(
    ("every", "limit", "expected"),
    [(2, None, ["0", "2", "4", "6"]), (1, 3, ["0", "1", "2"]), (3, 2, ["0", "3"]), (5, 9, ["0", "5"])],
)
def test_every_nth_file_and_a_limit_can_be_chosen(tmp_path: Path, every: int, limit: int | None, expected: list[str]):
    for number in range(7):
        write_picture(tmp_path / f"{number}.jpg")
    source = open_source([str(tmp_path)], every=every, limit=limit)
    assert source.total == len(expected)
    assert [Path(item.name).stem for item in source] == expected


def test_details_belong_to_the_file_and_not_to_its_name(tmp_path: Path):
    picture = write_picture(tmp_path / "real.jpg")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link.jpg").symlink_to(picture)
    choices = Choices(details={picture.resolve(): Details(title="Real")})
    (item,) = open_source([str(tmp_path / "folder")], choices)
    assert item.details.title == "Real"


def test_a_tree_deeper_than_the_recursion_limit_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_picture(tmp_path / "z.jpg")
    monkeypatch.chdir(tmp_path)
    depth = 1100
    for _ in range(depth):
        Path("d").mkdir()
        os.chdir("d")
    try:
        assert names(tmp_path) == ["z.jpg"]
    finally:
        for _ in range(depth):  # pytest could not remove it either
            os.chdir("..")
            Path("d").rmdir()


@pytest.mark.parametrize(
    ("place", "advice"),
    [
        ("https://example.org/photos.zip?dl=1", "download this archive or table"),
        ("https://example.org/photos.csv", "download this archive or table"),
        ("gs://bucket/photos", "name a file or folder"),
        ("file:///photos", "name a file or folder"),
    ],
)
def test_an_address_that_is_no_source_is_reported_with_what_can_be_done(place: str, advice: str):
    source = open_source([place])
    assert list(source) == []
    ((_, reason),) = source.problems
    assert advice in reason


@pytest.mark.parametrize(
    ("name", "data", "advice"),
    [
        ("photos.rar", b"Rar!", "Archives of this kind are not read: unpack it."),
        ("photos.xlsx", b"PK\3\4", "save it as CSV (UTF-8)"),
        ("photos.parquet", b"PAR1", "export it as .csv or .jsonl"),
        ("photos.z01", b"PK\7\x08", "name its last part, which ends in .zip"),
        ("comic.cbz", b"PK\3\4", "name it so that it ends in .zip"),
        ("photos.tar", b"PK\3\4", "name it so that it ends in .zip"),
        ("photos", bytes(257) + b"ustar", "name it so that it ends in .tar."),
        ("photos.zip", bytes(257) + b"ustar", "name it so that it ends in .tar."),
        (
            "photos.gz",
            gzip.compress(bytes(257) + b"ustar" + bytes(300), mtime=0),
            "name it so that it ends in .tar.gz",
        ),
        ("photos.zip", b"PK\3\4", "its end is missing"),
    ],
)
def test_a_named_file_that_is_no_source_is_reported_with_what_can_be_done(
    tmp_path: Path, name: str, data: bytes, advice: str
):
    (tmp_path / name).write_bytes(data)
    source = open_source([str(tmp_path / name)])
    assert list(source) == []
    ((_, reason),) = source.problems
    assert advice in reason
