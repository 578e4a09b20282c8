"""Tables saved by Excel and other programs, in any encoding and with any separator."""

import io
from pathlib import Path

import pytest

from search.ingestion import Choices, MetadataError, open_source, read_metadata
from search.ingestion.table_encodings import encoding_of
from tests.base import write_picture

KOREAN = "path,title,tags\na.jpg,제주도의 바다,여행\n"
JSON_LINES = (
    """{"path": "a.jpg", "text": ["A sea"], "tags": "['x', 'y', 'z']", "license": "CC0", "author": {"id": 7}, """
    """"title": NaN, "rubrik": 1}\n"""
)
WESTERN = "path,title,tags\na.jpg,Über die Straße nach Zürich,été\n"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_picture(tmp_path / "a.jpg")
    write_picture(tmp_path / "sub" / "b.jpg")
    return tmp_path


def titles(photos: Path, data: bytes, name: str = "m.csv") -> tuple[dict[str, str], list[str]]:
    """The titles that a table gives to files, and remarks on the table."""
    (photos / name).write_bytes(data)
    metadata = read_metadata(photos / name, [])
    return {path.name: details.title for path, details in metadata.details.items()}, [
        remark for _, remark in metadata.problems
    ]


@pytest.mark.parametrize("text", [KOREAN, WESTERN], ids=["Korean", "Western"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_unicode_tables_are_read_without_a_remark(photos: Path, text: str, encoding: str, separator: str):
    found, remarks = titles(photos, text.replace(",", separator).encode(encoding))
    assert found == {"a.jpg": text.split(",")[3]}
    assert remarks == []


@pytest.mark.parametrize(
    ("text", "encoding", "encoding_name"),
    [
        (KOREAN, "cp949", "CP949 (Korean)"),
        ("path,title\na.jpg,똠방각하와 펲시콜라를 마시는 사람들\n", "cp949", "CP949 (Korean)"),
        (WESTERN, "cp1252", "Windows-1252"),
        ("path,title\na.jpg,“Über” – Ärger für 5 €\n", "cp1252", "Windows-1252"),
        ("path,title\na.jpg,ÄRGER ÜBER ÖL\n", "cp1252", "Windows-1252"),
        ("path,title\na.jpg,Müü üö\n", "latin-1", "Windows-1252"),
        ("path,title\na.jpg,caf\xe9 \x81\n", "latin-1", "Latin-1"),
    ],
)
def test_other_encodings_are_read_with_a_remark_on_the_assumed_encoding(
    photos: Path, text: str, encoding: str, encoding_name: str
):
    found, (remark,) = titles(photos, text.encode(encoding))
    assert found == {"a.jpg": text.split("\n")[1].split(",")[1]}
    assert encoding_name in remark
    assert "save it as UTF-8" in remark


def test_the_encoding_is_detected_even_from_a_late_character(photos: Path):
    rows = "".join(f"{number}.jpg,plain\n" for number in range(400_000))
    data = ("path,title\n" + rows + "a.jpg,제주도\n").encode("cp949")
    assert encoding_of(io.BytesIO(data)) == "cp949"
    assert encoding_of(io.BytesIO(data.decode("cp949").encode())) == "utf-8"


def test_damaged_utf_8_is_not_read_in_another_encoding(photos: Path):
    damaged = KOREAN.encode().replace("여".encode(), b"\xec\x97")
    with pytest.raises(MetadataError, match="can't be read"):
        titles(photos, damaged)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"Path;Title\r\na.jpg;A\r\n", "m.csv"),
        (b"PATH\tTITLE\r\na.jpg\tA\r\n", "m.csv"),
        (b"path,title\na.jpg,A\n", "m.tsv"),
        (b"sep=;\r\nPath;Title\r\na.jpg;A\r\n", "m.csv"),
        (b"sep=|\r\nPath|Title\r\na.jpg|A\r\n", "m.csv"),
        (b";;\r\n\r\n Path ;Title;\r\na.jpg;A;\r\n", "m.csv"),
        (b'"Path";"Title"\r\n"a.jpg";"A"\r\n', "m.csv"),
        ("Path\tTitle\r\na.jpg\tA\r\n".encode("utf-16"), "Unicode text.txt"),
        (b'{"Path": "a.jpg", "TITLE": "A"}\n', "m.jsonl"),
        ('{"path": "a.jpg", "title": "A"}\n'.encode("utf-16"), "m.jsonl"),
        (b"path,title\na.jpg,A\n", "m.CSV"),
        (b"path;title;tags\r\n;;\r\na.jpg;A;\r\n;;\r\n  ; ;\r\n\r\n", "m.csv"),  # rows without a value
        (b"path,title,title\na.jpg,A,\n", "m.csv"),  # columns with one name
        (b"path,title,title\na.jpg,,A\n", "m.csv"),
    ],
)
def test_tables_saved_by_excel_are_read(photos: Path, data: bytes, name: str):
    assert titles(photos, data, name) == ({"a.jpg": "A"}, [])


def test_a_table_of_excel_for_the_mac_is_read_with_a_remark(photos: Path):
    read, remarks = titles(photos, "path,title\ra.jpg,Zürich café\r".encode("mac_roman"))
    assert read == {"a.jpg": "Zürich café"}
    assert "Mac Roman" in str(remarks)


def test_a_quotation_mark_that_is_never_closed_swallows_no_rows(photos: Path):
    with pytest.raises(MetadataError, match=r"m\.csv line 2 can't be read: a quotation mark is never closed"):
        titles(photos, b'path,title\na.jpg,"A\nsub/b.jpg,B\n')


def test_a_picture_in_two_lines_is_reported(photos: Path):
    (photos / "m.csv").write_text("path,title\na.jpg,A\na.jpg,B\nx.zip/a.jpg,C\nx.zip/a.jpg,D\n")
    metadata = read_metadata(photos / "m.csv", [])
    assert [details.title for details in metadata.details.values()] == ["B"]
    assert [where for where, _ in metadata.problems] == ["m.csv line 3, a.jpg", "m.csv line 5, x.zip/a.jpg"]


def test_column_names_are_matched_loosely(photos: Path):
    (photos / "m.csv").write_text("Path;Source Link;Licence\na.jpg;https://example.org/1;CC0\n")
    (details,) = read_metadata(photos / "m.csv", []).details.values()
    assert (details.source_link, details.licence) == ("https://example.org/1", "CC0")


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("file_name,caption,keywords,license,Rubrik\na.jpg,A sea,x; y | z,CC0,B\n", "m.csv"),
        ("파일명,설명,태그,라이선스,rubrik\na.jpg,A sea,x、y，z,CC0,B\n", "m.csv"),
        (JSON_LINES, "m.jsonl"),
    ],
)
def test_columns_of_other_programs_are_read_and_unknown_ones_named(photos: Path, data: str, name: str):
    (photos / name).write_text(data)
    metadata = read_metadata(photos / name, [])
    (details,) = metadata.details.values()
    assert (details.title, details.description, details.author, details.licence) == ("", "A sea", "", "CC0")
    assert details.tags == ["x", "y", "z"]
    assert [remark for _, remark in metadata.problems] == ["These columns are not read: rubrik."]


@pytest.mark.parametrize(
    ("part", "name"),
    [("path,title\n{},A\n", "m.csv"), ('{{"path": "{}", "title": "A"}}\n', "m.jsonl")],
)
def test_tables_that_were_joined_are_read(photos: Path, part: str, name: str):
    data = b"".join(part.format(path).encode("utf-8-sig") for path in ("a.jpg", "sub/b.jpg"))
    assert titles(photos, data, name) == ({"a.jpg": "A", "b.jpg": "A"}, [])


def test_our_column_names_have_precedence(photos: Path):
    (photos / "m.csv").write_text("filename,path,caption,description\nb.jpg,a.jpg,C,D\n")
    metadata = read_metadata(photos / "m.csv", [])
    assert {path.name: details.description for path, details in metadata.details.items()} == {"a.jpg": "D"}


def test_a_spreadsheet_as_metadata_is_refused_with_what_can_be_done(photos: Path):
    with pytest.raises(MetadataError, match=r"save it as CSV \(UTF-8\)"):
        read_metadata(photos / "m.xlsx", [])


@pytest.mark.parametrize("form", ["file://{}", "file://localhost{}", "file:{}", "{}"])
def test_paths_may_be_written_as_addresses(photos: Path, form: str):
    picture = write_picture(photos / "my sea 100%.jpg")
    path = form.format(str(picture).replace("%", "%25").replace(" ", "%20"))
    assert titles(photos, f"path,title\n{path},A\n".encode()) == ({"my sea 100%.jpg": "A"}, [])


def test_paths_may_have_backslashes(photos: Path):
    assert titles(photos, b"path,title\nsub\\b.jpg,B\n.\\a.jpg,A\n")[0] == {"b.jpg": "B", "a.jpg": "A"}


def test_an_error_names_the_line_of_the_file(photos: Path):
    (photos / "m.csv").write_text("sep=;\n;\npath;title\n;nothing\n")
    assert read_metadata(photos / "m.csv", []).problems == [("m.csv line 4", "This line contains no path.")]


def test_a_table_of_addresses_is_read_in_the_same_way(tmp_path: Path):
    table = tmp_path / "m.csv"
    table.write_bytes("URL;Title\r\n;\r\nhttp://127.0.0.1/a.jpg;제주도의 바다\r\n;\r\n".encode("cp949"))
    listed = open_source([str(table)])
    assert (listed.total, [item.details.title for item in listed]) == (1, ["제주도의 바다"])
    assert listed.problems == []
    ((name, remark),) = listed.notes
    assert name == str(table)
    assert "CP949" in remark


def choices(table: Path, *roots: Path) -> Choices:
    metadata = read_metadata(table, list(roots))
    return Choices(details=metadata.details, elsewhere=metadata.elsewhere, table=table)


def test_the_table_itself_is_not_counted_as_a_skipped_file(photos: Path):
    (photos / "m.csv").write_text("path,title\na.jpg,A\n")
    listed = open_source([str(photos)], choices(photos / "m.csv"))
    assert len(list(listed)) == 2
    assert not listed.findings.not_read
