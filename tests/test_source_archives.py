"""ZIP and tar archives: listed pictures, without unpacking, and errors of damaged and hostile archives."""

import bz2
import gc
import gzip
import io
import lzma
import resource
import tarfile
import threading
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from search.curation.metadata_import import captioned, of_sidecars
from search.ingestion import Choices, Item, Unavailable, ingest, open_source, read_metadata
from search.ingestion.sources import Listed, tars
from search.ingestion.sources.zips import versions_in_zip
from search.metadata import PhotoMetadata
from search.models import Image
from tests.base import picture_bytes

COLOURS = ("red", "green", "blue")
NAMES = ("photos/red.jpg", "photos/deep/er/green.JPG", "blue.png")
CONTENTS = {name: picture_bytes(colour, size=(640, 480)) for name, colour in zip(NAMES, COLOURS, strict=True)}
JUNK = ("__MACOSX/photos/._red.jpg", "photos/.hidden.jpg", "readme.txt", "photos/._green.jpg", ".git/x.jpg")


def make_zip(path: Path, contents: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("photos/", b"")
        for name, data in contents.items():
            archive.writestr(name, data)
    return path


def make_tar(path: Path, contents: dict[str, bytes], compression: str = "") -> Path:
    with tarfile.open(path, f"w:{compression}") as archive:  # type: ignore[call-overload]
        for name, data in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def source(path: Path) -> Listed:
    return open_source([str(path)])


def contents_of(path: Path) -> dict[str, bytes]:
    found = source(path)
    read = {item.name.removeprefix(f"{path}/"): item.read() for item in found}
    assert found.problems == []
    return read


MAKERS: list[tuple[str, Callable[[Path, dict[str, bytes]], Path]]] = [
    ("a.zip", make_zip),
    ("stored.ZIP", lambda path, contents: make_zip(path, contents, zipfile.ZIP_STORED)),
    ("xz.zip", lambda path, contents: make_zip(path, contents, zipfile.ZIP_LZMA)),
    ("a.tar", make_tar),
    *[
        (f"a.{suffix}", lambda path, contents, kind=kind: make_tar(path, contents, kind))
        for suffix, kind in [("tar.gz", "gz"), ("tgz", "gz"), ("tar.bz2", "bz2"), ("tar.xz", "xz"), ("txz", "xz")]
    ],
]


@pytest.mark.parametrize(("name", "make"), MAKERS, ids=[name for name, _ in MAKERS])
class TestEveryKind:
    def test_all_pictures_are_listed_in_order(self, tmp_path: Path, name: str, make: Callable[..., Path]):
        path = make(tmp_path / name, {**CONTENTS, **dict.fromkeys(JUNK, b"junk")})
        assert list(contents_of(path).items()) == list(CONTENTS.items())

    def test_a_picture_can_be_read_twice_and_late(self, tmp_path: Path, name: str, make: Callable[..., Path]):
        items = list(source(make(tmp_path / name, CONTENTS)))
        gc.collect()
        for _ in range(2):
            assert [item.read() for item in reversed(items)] == list(reversed(CONTENTS.values()))

    def test_members_have_unique_stable_addresses(self, tmp_path: Path, name: str, make: Callable[..., Path]):
        path = make(tmp_path / name, CONTENTS)
        (tmp_path / "link").symlink_to(tmp_path)
        first, again = list(source(path)), list(source(tmp_path / "link" / name))
        assert len({item.address for item in first}) == 3
        assert [(item.address, item.version) for item in first] == [(item.address, item.version) for item in again]

    def test_another_archive_at_the_same_path_has_other_versions(
        self, tmp_path: Path, name: str, make: Callable[..., Path]
    ):
        before = {(item.address, item.version) for item in source(make(tmp_path / name, CONTENTS))}
        mixed = dict(zip(NAMES, reversed(CONTENTS.values()), strict=True))
        after = {(item.address, item.version) for item in source(make(tmp_path / name, mixed))}
        assert not before & after

    def test_a_member_that_is_too_large_is_reported_and_does_not_stop_the_run(
        self, tmp_path: Path, name: str, make: Callable[..., Path], settings: Any
    ):
        settings.INGEST_MAX_MB = 1
        path = make(tmp_path / name, {"bomb.jpg": bytes(3_000_000), **CONTENTS})
        bomb, *others = list(source(path))
        with pytest.raises(Unavailable, match=r"has 3 MB; the limit is 1\."):
            bomb.read()
        assert [item.read() for item in others] == list(CONTENTS.values())

    def test_a_file_that_is_no_archive_is_reported(self, tmp_path: Path, name: str, make: Callable[..., Path]):
        (tmp_path / name).write_bytes(b"no archive at all" * 100)
        found = source(tmp_path / name)
        assert list(found) == []
        assert [problem[0] for problem in found.problems] == [str(tmp_path / name)]

    def test_an_empty_file_is_reported(self, tmp_path: Path, name: str, make: Callable[..., Path]):
        (tmp_path / name).write_bytes(b"")
        found = source(tmp_path / name)
        assert list(found) == []
        assert [problem[0] for problem in found.problems] == [str(tmp_path / name)]

    def test_a_truncated_archive_is_reported(self, tmp_path: Path, name: str, make: Callable[..., Path]):
        whole = make(tmp_path / name, {f"{number}.jpg": data * 20 for number, data in enumerate(CONTENTS.values())})
        data = whole.read_bytes()
        whole.write_bytes(data[: len(data) * 2 // 3])
        found = source(whole)
        offered = list(found)
        assert len(offered) < 3
        assert [problem[0] for problem in found.problems] == [str(whole)]

    @pytest.mark.django_db
    def test_it_is_ingested_and_skipped_by_the_next_run(
        self, tmp_path: Path, name: str, make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
    ):
        path = make(tmp_path / name, CONTENTS)
        report = ingest(source(path))
        assert (report.added, report.failed) == (3, [])
        reads = []
        items = [
            Item(item.name, lambda name=item.name: reads.append(name) or b"", item.details, item.address, item.version)
            for item in source(path)
        ]
        assert ingest(items).known == 3
        assert reads == []
        assert Image.objects.count() == 3


def test_the_number_of_pictures_is_known_at_once_for_a_zip_and_at_the_end_of_a_tar(tmp_path: Path):
    assert source(make_zip(tmp_path / "a.zip", CONTENTS)).total == 3
    tar = source(make_tar(tmp_path / "a.tar", CONTENTS))
    assert tar.total is None
    list(tar)
    assert tar.total == 3


def test_an_encrypted_member_is_reported(tmp_path: Path):
    path = make_zip(tmp_path / "a.zip", {"secret.jpg": CONTENTS[NAMES[0]], "plain.jpg": CONTENTS[NAMES[1]]})
    data = bytearray(path.read_bytes())
    start = data.rindex(b"PK\x01\x02", 0, data.rindex(b"secret.jpg"))
    data[start + 8] |= 1  # the flag, in the central directory
    path.write_bytes(data)
    secret, plain = source(path)
    with pytest.raises(Unavailable, match="encrypted"):
        secret.read()
    assert plain.read() == CONTENTS[NAMES[1]]


def test_the_last_part_of_a_split_archive_is_reported_as_such(tmp_path: Path):
    path = make_zip(tmp_path / "a.zip", CONTENTS)
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 34] = 1  # the member begins in the second part
    path.write_bytes(data)
    found = source(path)
    assert list(found) == []
    assert "join them" in found.problems[0][1]


def test_a_damaged_member_is_reported_and_the_others_are_read(tmp_path: Path):
    path = make_zip(tmp_path / "a.zip", CONTENTS)
    data = bytearray(path.read_bytes())
    start = data.index(b"red.jpg") + 40
    data[start : start + 200] = bytes(200)
    path.write_bytes(data)
    red, *others = source(path)
    with pytest.raises(Unavailable, match="damaged"):
        red.read()
    assert [item.read() for item in others] == list(CONTENTS.values())[1:]


def test_a_false_size_does_not_fill_the_memory(tmp_path: Path):
    path = make_zip(tmp_path / "a.zip", {"bomb.jpg": bytes(3_000_000)})
    data = path.read_bytes()
    path.write_bytes(data.replace((3_000_000).to_bytes(4, "little"), (3_000).to_bytes(4, "little")))
    (bomb,) = source(path)
    with pytest.raises(Unavailable):
        bomb.read()


def test_names_in_other_encodings_are_distinguished(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("바다.jpg", "søen.jpg"):
            archive.writestr(name, CONTENTS[NAMES[0]])
    assert list(contents_of(tmp_path / "a.zip")) == ["바다.jpg", "søen.jpg"]
    with tarfile.open(tmp_path / "a.tar", "w", encoding="latin-1") as archive:
        member = tarfile.TarInfo("café.jpg")
        member.size = 0
        archive.addfile(member)
    (item,) = source(tmp_path / "a.tar")
    item.address.encode()


def test_links_and_devices_in_a_tar_are_skipped(tmp_path: Path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in [
            ("link.jpg", tarfile.SYMTYPE),
            ("hard.jpg", tarfile.LNKTYPE),
            ("pipe.jpg", tarfile.FIFOTYPE),
        ]:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    assert contents_of(tmp_path / "a.tar") == {}


@pytest.mark.parametrize("compression", ["", "gz"])
def test_a_hard_link_to_a_skipped_picture_is_taken(tmp_path: Path, compression: str):
    with tarfile.open(tmp_path / "a.tar", f"w:{compression}") as archive:  # type: ignore[call-overload]
        for name in ("@eaDir/a.jpg", "b.jpg"):
            member = tarfile.TarInfo(name)
            member.size = len(CONTENTS[NAMES[0]])
            archive.addfile(member, io.BytesIO(CONTENTS[NAMES[0]]))
        for name, to in (("photos/a.jpg", "@eaDir/a.jpg"), ("photos/b.jpg", "b.jpg"), (".x/a.jpg", "@eaDir/a.jpg")):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.LNKTYPE, to
            archive.addfile(member)

    assert contents_of(tmp_path / "a.tar") == dict.fromkeys(["b.jpg", "photos/a.jpg"], CONTENTS[NAMES[0]])


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_huge_header_of_a_tar_does_not_fill_the_memory(tmp_path: Path, kind: bytes):
    path = make_tar(tmp_path / "a.tar", {"a.jpg": b"1"})
    header = tarfile.TarInfo("huge")
    header.type, header.size = kind, 2**36
    with path.open("r+b") as file:
        file.seek(1024)
        file.write(header.tobuf(tarfile.GNU_FORMAT))
        file.truncate(2**36 + 4096)  # sparse

    found = source(path)

    assert [item.read() for item in found] == [b"1"]
    assert "have 68,719,476,736 bytes" in str(found.problems)


def test_reading_a_tar_waits_until_members_in_memory_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sizes = [10_000] * 9
    path = make_tar(tmp_path / "a.tar", {f"{number}.jpg": bytes(size) for number, size in enumerate(sizes)})
    monkeypatch.setattr(tars, "HELD_BYTES", 25_000)
    items: Iterator[Item] = iter(source(path))
    taken = [next(items), next(items)]
    third = threading.Thread(target=lambda: taken.append(next(items)))
    third.start()
    third.join(0.05)
    assert third.is_alive()
    taken[0].read()
    third.join(10)
    assert len(taken) == 3
    # Known members, which nobody reads, free their memory as well.
    del taken[:2]
    gc.collect()
    assert next(items).read() == bytes(10_000)


def test_several_archives_and_folders_are_one_source(tmp_path: Path):
    make_zip(tmp_path / "1.zip", {"a.jpg": CONTENTS[NAMES[0]]})
    make_zip(tmp_path / "2.zip", {"b.jpg": CONTENTS[NAMES[1]]})
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "c.png").write_bytes(CONTENTS[NAMES[2]])
    found = open_source([f"{tmp_path}/*.zip", str(tmp_path / "folder")])
    assert [Path(item.name).name for item in found] == ["a.jpg", "b.jpg", "c.png"]
    assert found.total == 3


def test_an_archive_inside_a_folder_is_skipped(tmp_path: Path):
    make_zip(tmp_path / "a.zip", CONTENTS)
    assert list(open_source([str(tmp_path)])) == []


# Joined tars, and tables of metadata


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_tars_joined_by_cat_are_all_read(tmp_path: Path, compression: str):
    parts = [
        make_tar(tmp_path / f"{number}.tar", {name: data}, compression)
        for number, (name, data) in enumerate(CONTENTS.items())
    ]
    joined = tmp_path / "joined.tar"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert contents_of(joined) == CONTENTS
    items = list(source(joined))
    gc.collect()
    assert [item.read() for item in reversed(items)] == list(reversed(CONTENTS.values()))
    assert len({(item.address, item.version) for item in items}) == 3


@pytest.mark.parametrize("junk", [b"junk" * 256, b"junk"])
def test_data_after_an_archive_is_reported(tmp_path: Path, junk: bytes):
    path = make_tar(tmp_path / "a.tar", CONTENTS)
    path.write_bytes(path.read_bytes() + junk)
    found = source(path)
    assert [item.read() for item in found] == list(CONTENTS.values())
    assert [problem[0] for problem in found.problems] == [str(path)]


def test_an_archive_with_incomplete_padding_is_valid(tmp_path: Path):
    path = make_tar(tmp_path / "a.tar", CONTENTS)
    for end in (bytes(100), bytes(512)):
        path.write_bytes(path.read_bytes().rstrip(b"\0"))
        data = path.read_bytes()
        path.write_bytes(data + bytes(-len(data) % 512) + end)
        assert contents_of(path) == CONTENTS


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_an_archive_truncated_between_members_is_reported(tmp_path: Path, compression: str, count: int):
    path = make_tar(tmp_path / "a.tar", CONTENTS)
    edges = [member.offset for member in members_of(path)] + [len(path.read_bytes().rstrip(b"\0"))]
    end = -(-edges[count] // 512) * 512
    path.write_bytes(compressed(path.read_bytes()[:end], compression))

    found = source(path)

    assert [item.read() for item in found] == list(CONTENTS.values())[:count]
    ((name, problem),) = found.problems
    assert (name, "may have been truncated" in problem) == (str(path), True)


def compressed(data: bytes, compression: str) -> bytes:
    how = {"": lambda data: data, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
    return how[compression](data)  # type: ignore[no-untyped-call]


def members_of(path: Path) -> list[tarfile.TarInfo]:
    with tarfile.open(path) as archive:
        return archive.getmembers()


LONG = {f"{'사진/' * 20}{name}": data for name, data in CONTENTS.items()}
"""Names too long for one header."""


@pytest.mark.parametrize("compression", ["", "gz"])
@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("contents", [CONTENTS, LONG], ids=["short", "long"])
@pytest.mark.parametrize("lost", [0, 1, 2])
def test_after_a_damaged_header_the_next_member_is_found(
    tmp_path: Path, compression: str, format: int, contents: dict[str, bytes], lost: int
):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=format) as archive:
        for name, data in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    data = bytearray(path.read_bytes())
    header = members_of(path)[lost].offset_data - 512
    data[header + 100 : header + 110] = b"rubbish!!!"
    path.write_bytes(compressed(bytes(data), compression))

    found = source(path)

    items = list(found)
    assert [item.read() for item in items] == [one for at, one in enumerate(contents.values()) if at != lost]
    ((name, problem),) = found.problems
    assert name == str(path)
    assert "header of a member is damaged" in problem
    assert [item.read() for item in items] == [one for at, one in enumerate(contents.values()) if at != lost]


@pytest.mark.parametrize("in_pax", [False, True])
def test_a_negative_size_is_no_endless_loop(tmp_path: Path, in_pax: bool):
    path = make_tar(tmp_path / "a.tar", CONTENTS)
    evil = tarfile.TarInfo("evil.jpg")
    if in_pax:
        evil.pax_headers = {"size": "-1024"}
        header = evil.tobuf(tarfile.PAX_FORMAT)
    else:
        evil.size = -1024
        header = evil.tobuf(tarfile.GNU_FORMAT)
    path.write_bytes(header + path.read_bytes())

    found = source(path)

    assert [item.read() for item in found] == list(CONTENTS.values())
    assert [name for name, _ in found.problems] == [str(path)]


@pytest.mark.parametrize("before", ["./", "/", "\\", ".\\", "../", "..\\", "../../", "C:\\", "./x/../"])
@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_prefixes_of_member_names_are_removed(
    tmp_path: Path, make: Callable[[Path, dict[str, bytes]], Path], before: str
):
    path = make(tmp_path / f"a{'.zip' if make is make_zip else '.tar'}", {f"{before}red.jpg": CONTENTS[NAMES[0]]})
    table = tmp_path / "m.csv"
    named = "C:/red.jpg" if before == "C:\\" else "x/red.jpg" if "x" in before else "red.jpg"
    table.write_text(f"path,title\na{path.suffix}/{named},Red\n")
    metadata = read_metadata(table, [])
    (item,) = open_source([str(path)], Choices(elsewhere=metadata.elsewhere))
    assert (item.read(), item.details.title) == (CONTENTS[NAMES[0]], "Red")
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted([path.name, "m.csv"])


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.csv"])
def test_more_archives_than_the_limit_of_open_files_are_one_source(tmp_path: Path, name: str):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_now = len(list(Path("/proc/self/fd").iterdir()))
    picture = CONTENTS[NAMES[0]]
    first, suffix = tmp_path / name, name.partition(".")[2]
    if name == "a.zip":
        make_zip(first, {"red.jpg": picture})
    elif name == "a.csv":
        first.write_text("url\nhttp://127.0.0.1/red.jpg\n")
    else:
        make_tar(first, {"red.jpg": picture}, "gz" if name.endswith("gz") else "")
    paths = [tmp_path / f"{number}.{suffix}" for number in range(60)]
    for path in paths:
        path.hardlink_to(first)
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_now + 30, hard))
    try:
        found = open_source([str(path) for path in paths])
        items = list(found)
        read = [item.read() for item in items] if name != "a.csv" else []
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (len(items), found.problems) == (60, [])
    assert read in ([], [picture] * 60)


def test_a_zip_replaced_while_it_is_read_is_reported(tmp_path: Path):
    path = make_zip(tmp_path / "a.zip", CONTENTS)
    items = list(source(path))
    make_zip(path, dict(reversed(CONTENTS.items())))
    with pytest.raises(OSError, match="The archive has changed"):
        items[0].read()


def test_an_unknown_compression_is_reported_and_the_others_are_read(tmp_path: Path):
    path = make_zip(tmp_path / "a.zip", {"odd.jpg": CONTENTS[NAMES[0]], "plain.jpg": CONTENTS[NAMES[1]]})
    data = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x01\x02", 10), (b"PK\x03\x04", 8)):
        start = data.rindex(mark, 0, data.rindex(b"odd.jpg") if at == 10 else data.index(b"odd.jpg"))
        data[start + at : start + at + 2] = (9).to_bytes(2, "little")  # Deflate64
    path.write_bytes(data)
    odd, plain = source(path)
    with pytest.raises(Unavailable, match="Its compression is not supported"):
        odd.read()
    assert plain.read() == CONTENTS[NAMES[1]]


def test_a_member_that_is_too_large_is_skipped_by_seeking(tmp_path: Path, settings: Any):
    settings.INGEST_MAX_MB = 1
    path = tmp_path / "a.tar"
    size = 60 << 30
    huge = tarfile.TarInfo("huge.jpg")
    huge.size = size
    with path.open("wb") as file:  # sparse: takes no disk space, and would take minutes to read
        file.write(huge.tobuf())
        file.seek(size, io.SEEK_CUR)
        file.write(make_tar(tmp_path / "b.tar", CONTENTS).read_bytes())
    first, *others = source(path)
    assert first.size == 0
    with pytest.raises(Unavailable, match=r"has 64,424\.6 MB; the limit is 1\."):
        first.read()
    assert [item.read() for item in others] == list(CONTENTS.values())


@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
def test_captions_of_a_webdataset_become_descriptions(tmp_path: Path, kind: str):
    picture = CONTENTS[NAMES[0]]
    contents = {
        f"0.{kind}": picture,
        "0.json": b'{"caption": "not this", "url": "https://example.org/0.jpg", "tags": ["sea"]}',
        "0.txt": "갈매기 over the sea\n".encode(),
        f"1.{kind}": picture,
        "1.json": b'{"caption": "a ray over sand", "license": "CC0", "url": "no address"}',
        f"2.{kind}": picture,
        "2.json": b"[broken",
        "2.txt": b"\xff\xfe\xfd",
        "3.txt": b"of no picture",
    }
    found = source(make_tar(tmp_path / "00000.tar", dict(sorted(contents.items()))))
    first, second, third = (of_sidecars(item.sidecars()) for item in found)
    link = "https://example.org/0.jpg"
    assert first == PhotoMetadata(description="갈매기 over the sea", keywords=("sea",), source_link=link)
    assert second == PhotoMetadata(description="a ray over sand", licence="CC0")
    assert third.description == ""
    assert found.findings.not_read == {".txt": 1}


def test_a_table_precedes_a_webdataset(tmp_path: Path):
    path = make_tar(tmp_path / "a.tar", {"0.jpg": CONTENTS[NAMES[0]], "0.txt": b"caption"})
    (item,) = with_table(tmp_path, "path,title\n0.jpg,From the table\n", path)
    details = captioned(item.details, of_sidecars(item.sidecars()))
    assert (details.title, details.description) == ("From the table", "caption")


def with_table(folder: Path, text: str, *paths: Path) -> Listed:
    (folder / "m.csv").write_text(text, encoding="utf-8")
    metadata = read_metadata(folder / "m.csv", [])
    found = open_source(map(str, paths), Choices(details=metadata.details, elsewhere=metadata.elsewhere))
    found.notes.extend(metadata.elsewhere.notes)  # notes of the members listed already
    return found


def titles(found: Listed) -> dict[str, str]:
    return {item.name.rpartition("/")[2]: item.details.title for item in found}


@pytest.mark.parametrize("make", [make_zip, make_tar])
@pytest.mark.parametrize("before", ["photos/a.zip/", "a.zip/", "", "./", "{folder}/photos/a.zip/"])
@pytest.mark.parametrize("separator", ["/", "\\"])
def test_a_table_may_refer_to_members_of_archives(
    tmp_path: Path, make: Callable[..., Path], before: str, separator: str
):
    (tmp_path / "photos").mkdir()
    name = "a.zip" if make is make_zip else "a.tar"
    path = make(tmp_path / "photos" / name, CONTENTS)
    before = before.format(folder=tmp_path).replace("a.zip", name)
    rows = "".join(f"{before}{one},{one}\n".replace("/", separator) for one in NAMES)
    found = with_table(tmp_path, f"path,title\n{rows}", path)
    assert titles(found) == {one.rpartition("/")[2]: one.replace("/", separator) for one in NAMES}


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_a_unique_file_name_is_enough(tmp_path: Path, make: Callable[..., Path]):
    path = make(tmp_path / "a.zip", CONTENTS) if make is make_zip else make(tmp_path / "a.tar", CONTENTS)
    found = with_table(tmp_path, "path,title\ngreen.JPG,Green\nphotos/red.jpg,Red\n", path)
    assert titles(found) == {"red.jpg": "Red", "green.JPG": "Green", "blue.png": ""}


def test_an_ambiguous_name_matches_no_picture(tmp_path: Path):
    contents = {"x/1.jpg": b"1", "y/1.jpg": b"2", "2.jpg": b"3", "x/2.jpg": b"4"}
    path = make_zip(tmp_path / "a.zip", contents)
    (tmp_path / "m.csv").write_text("path,title\n1.jpg,One\nx/2.jpg,Two\n")
    metadata = read_metadata(tmp_path / "m.csv", [])
    found = open_source([str(path)], Choices(elsewhere=metadata.elsewhere))
    assert [item.details.title for item in found] == ["", "", "", "Two"]
    assert {name for name, _ in metadata.elsewhere.notes} == {f"{path}/x/1.jpg", f"{path}/y/1.jpg"}
    assert metadata.missing == []


def test_a_row_of_a_table_without_a_member_is_missing(tmp_path: Path):
    path = make_zip(tmp_path / "a.zip", CONTENTS)
    (tmp_path / "m.csv").write_text("path,title\ngone.jpg,Gone\nblue.png,Blue\n")
    metadata = read_metadata(tmp_path / "m.csv", [])
    list(open_source([str(path)], Choices(elsewhere=metadata.elsewhere)))
    assert metadata.missing == ["gone.jpg"]


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_names_match_in_either_unicode_form(tmp_path: Path, make: Callable[..., Path]):
    contents = {unicodedata.normalize("NFD", "Zürich/제주도.jpg"): b"1"}
    path = make(tmp_path / ("a.zip" if make is make_zip else "a.tar"), contents)
    found = with_table(tmp_path, "path,title\nZürich/제주도.jpg,Island\n", path)
    assert [item.details.title for item in found] == ["Island"]


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("여행\\제주도 바다.jpg", "cp949"),
        ("여행/제주도 바다.jpg", "utf-8"),
        ("Zürich/Straße.jpg", "cp437"),
        ("旅行/東京タワー.jpg", "cp932"),
    ],
)
def test_names_in_code_pages_are_read(tmp_path: Path, name: str, encoding: str):
    written = name.encode(encoding)
    stand_in = "X" * (len(written) - 4) + ".jpg"
    path = make_zip(tmp_path / "a.zip", {stand_in: b"1"})
    path.write_bytes(path.read_bytes().replace(stand_in.encode(), written))

    (item,) = source(path)

    assert item.read() == b"1"
    assert (item.name, item.address) == (f"{path}/{name.replace(chr(92), '/')}",) * 2
    (recorded,) = [version for name, version in versions_in_zip(str(path)) if name == written.decode("cp437")]
    assert recorded == item.version  # as earlier versions recorded it


def test_names_in_the_code_page_of_korean_windows_match_a_table(tmp_path: Path):
    path = make_zip(tmp_path / "a.zip", {"XXXXXX.jpg": b"1"})
    path.write_bytes(path.read_bytes().replace(b"XXXXXX", "제주도".encode("cp949")))
    (item,) = with_table(tmp_path, "path,title\n제주도.jpg,Island\n", path)
    assert item.details.title == "Island"
