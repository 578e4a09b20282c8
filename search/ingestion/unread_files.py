"""Files that are named as sources and not read: what can be done with them, by name and first bytes."""

import zlib
from contextlib import suppress

FOREIGN_ARCHIVES = (
    *(".7z", ".rar", ".cbr", ".cb7", ".tar.zst", ".tzst", ".tar.lz", ".tar.lzma", ".tlz", ".tar.br", ".tar.lz4"),
    *(".iso", ".dmg"),
)
_SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")
_TABLES = (".parquet", ".arrow", ".feather", ".json", ".sqlite", ".sqlite3", ".db", ".npy", ".npz", ".xml", ".yaml")
_PART_OF_ZIP = tuple(f".z{number:02}" for number in range(1, 100))
_TAR_MAGIC = slice(257, 262)
HEAD = 512
"""First bytes that `kind_of_archive` needs."""
SPLIT = (
    "This is the last part of a split archive, whose others end in .z01, .z02 and so on: put them beside each other, "
    "and join them with `zip -s 0 PARTS.zip --out WHOLE.zip`."
)


def advice_on(name: str) -> str:
    """Return why a file of this name is not read, and what can be done; "" for names that say nothing."""
    name = name.lower()
    if name.endswith(FOREIGN_ARCHIVES):
        return "Archives of this kind are not read: unpack it."
    if name.endswith(_SPREADSHEETS):
        return "Spreadsheets are not read: save it as CSV (UTF-8)."
    if name.endswith(_TABLES):
        return "Tables of this kind are not read: export it as .csv or .jsonl."
    if name.endswith(_PART_OF_ZIP):
        return "This is a part of a split archive: name its last part, which ends in .zip."
    if name.endswith(".txt"):
        return "A list of addresses is read as a .csv, .tsv or .jsonl table with the column url."
    return ""


def kind_of_archive(head: bytes) -> str:
    """Return the suffix, ".zip", ".tar" or ".tar.gz", that suits a file that begins with `head`; "" if none does."""
    if head.startswith(b"PK\x03\x04"):
        return ".zip"
    if head[_TAR_MAGIC] == b"ustar":
        return ".tar"
    if head.startswith(b"\x1f\x8b"):
        with suppress(zlib.error):
            return ".tar.gz" if zlib.decompressobj(31).decompress(head, HEAD)[_TAR_MAGIC] == b"ustar" else ""
    return ""


def misnamed(suffix: str) -> str:
    """Return what can be done with an archive whose name has another suffix."""
    return f"By its content this is an archive: name it so that it ends in {suffix}."
