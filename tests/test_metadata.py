"""Tables of metadata for ingested pictures."""

import json
from pathlib import Path

import pytest

from search.curation.cleaned_details import Details
from search.ingestion import MetadataError, read_metadata
from tests.base import write_picture


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("a.jpg", "b.jpg", "sub/c.jpg"):
        write_picture(tmp_path / name)
    return tmp_path


def table(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_tsv_gives_details_by_path(photos: Path):
    metadata = read_metadata(
        table(
            photos,
            "m.tsv",
            "path\ttitle\tdescription\ttags\tauthor\tlicence\tsource_link\tshelf\n"
            "a.jpg\tA red star\t빨간 별\tstar, red ,Star\tAda\tCC0\thttps://example.org/1\tLeica\n",
        ),
        [],
    )
    assert metadata.details == {
        photos / "a.jpg": Details("A red star", "빨간 별", ["star", "red"], "Ada", "CC0", "https://example.org/1")
    }
    assert metadata.problems == [(str(photos / "m.tsv"), "These columns are not read: shelf.")]


def test_a_csv_may_quote_and_begin_with_a_byte_order_mark(photos: Path):
    text = '\ufeffpath,title\nsub/c.jpg,"One, two\nthree"\n'
    metadata = read_metadata(table(photos, "m.csv", text), [])
    assert metadata.details[photos / "sub/c.jpg"].title == "One, two\nthree"


def test_json_lines_may_list_tags(photos: Path):
    line = json.dumps({"path": "a.jpg", "tags": ["x", "y"], "title": None})
    assert read_metadata(table(photos, "m.jsonl", line + "\n\n"), []).details[photos / "a.jpg"] == Details(
        tags=["x", "y"]
    )


def test_paths_may_be_relative_to_the_ingested_folder(photos: Path, tmp_path_factory):
    elsewhere = table(tmp_path_factory.mktemp("tables"), "m.csv", "path,title\nc.jpg,C\n")
    assert list(read_metadata(elsewhere, [photos / "sub"]).details) == [photos / "sub/c.jpg"]


def test_a_missing_file_is_reported(photos: Path):
    assert read_metadata(table(photos, "m.csv", "path,title\ngone.jpg,X\n"), []).missing == ["gone.jpg"]


def test_invalid_values_are_cut_or_left_out_and_reported(photos: Path):
    text = f"path\ttitle\tsource_link\na.jpg\t{'x' * 301}\tjavascript:alert(1)\n"
    metadata = read_metadata(table(photos, "m.tsv", text), [])
    details = metadata.details[photos / "a.jpg"]
    assert (len(details.title), details.source_link) == (300, "")
    assert [where for where, _ in metadata.problems] == ["m.tsv line 2, a.jpg"] * 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.csv", "picture,title\na.jpg,X\n"),
        ("m.csv", ""),
        ("m.jsonl", "{not json}\n"),
        ("m.jsonl", "[1]\n"),
        ("m.xlsx", "path\n"),
    ],
)
def test_the_error_of_an_unreadable_table_names_it(photos: Path, name: str, text: str):
    with pytest.raises(MetadataError, match=name):
        read_metadata(table(photos, name, text), [])


def test_a_table_that_is_not_text_is_refused(photos: Path):
    (photos / "m.csv").write_bytes(b"path\xff\xfe")
    with pytest.raises(MetadataError, match="can't be read"):
        read_metadata(photos / "m.csv", [])


def test_a_row_without_a_path_is_reported(photos: Path):
    metadata = read_metadata(table(photos, "m.csv", "path,title\n,X\na\0.jpg,Y\n"), [])
    assert len(metadata.problems) == 2


def test_half_a_surrogate_pair_and_an_overlong_path_are_no_errors(photos: Path):
    lines = [{"path": "a.jpg", "title": "cut \ud83d"}, {"path": "x" * 300}]
    metadata = read_metadata(table(photos, "m.jsonl", "\n".join(json.dumps(line) for line in lines)), [])
    assert metadata.details[photos / "a.jpg"].title == "cut"
    assert metadata.missing == ["x" * 300]
