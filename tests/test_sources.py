"""Which files a command line names."""

import os
import socket
from pathlib import Path

from search.ingestion import find_files
from tests.base import write_picture


def names(*patterns: object) -> list[str]:
    return [path.name for path in find_files(str(pattern) for pattern in patterns).paths]


def test_a_folder_means_all_pictures_below_it_in_order(tmp_path: Path):
    for name in ("b.jpg", "a.PNG", "deep/er/c.webp", "notes.txt", ".hidden.jpg", ".git/d.jpg"):
        write_picture(tmp_path / name)
    assert names(tmp_path) == ["a.PNG", "b.jpg", "c.webp"]


def test_a_file_that_is_named_counts_whatever_its_name(tmp_path: Path):
    assert names(write_picture(tmp_path / "picture-without-suffix")) == ["picture-without-suffix"]


def test_a_glob_is_expanded(tmp_path: Path):
    for name in ("x/1.jpg", "x/2.jpg", "y/3.jpg", "y/4.txt"):
        write_picture(tmp_path / name)
    assert names(f"{tmp_path}/**/*.jpg") == ["1.jpg", "2.jpg", "3.jpg"]


def test_a_file_with_brackets_in_its_name_is_itself(tmp_path: Path):
    write_picture(tmp_path / "holiday [1].jpg")
    assert names(tmp_path / "holiday [1].jpg") == ["holiday [1].jpg"]


def test_what_is_not_there_is_told(tmp_path: Path):
    problems = find_files([str(tmp_path / "gone.jpg"), str(tmp_path / "*.jpg")]).problems
    assert [name for name, _ in problems] == [str(tmp_path / "gone.jpg"), str(tmp_path / "*.jpg")]


def test_a_file_is_listed_once_however_often_it_is_named(tmp_path: Path):
    picture = write_picture(tmp_path / "a.jpg")
    assert names(tmp_path, picture, tmp_path) == ["a.jpg"]


def test_links_that_lead_in_a_circle_end(tmp_path: Path):
    write_picture(tmp_path / "in" / "a.jpg")
    (tmp_path / "in" / "again").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "self").symlink_to("self")
    files = find_files([str(tmp_path)])
    assert [path.name for path in files.paths] == ["a.jpg"]
    assert files.problems == []


def test_a_link_to_a_folder_is_followed(tmp_path: Path):
    write_picture(tmp_path / "elsewhere" / "a.jpg")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path / "elsewhere")
    assert names(tmp_path / "in") == ["a.jpg"]


def test_pipes_and_sockets_are_left_alone(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket.jpg"))
        files = find_files([str(tmp_path)])
    assert files.paths == []
    assert files.problems == []


def test_a_pipe_that_is_named_is_told(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert find_files([str(tmp_path / "pipe.jpg")]).problems == [
        (str(tmp_path / "pipe.jpg"), "This is neither a file nor a folder.")
    ]
