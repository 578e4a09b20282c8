"""File names: which are pictures, which are other kinds, and how they are stored."""

import re
from collections import Counter
from collections.abc import Iterable

from search.imaging import EXTENSIONS, RAW_EXTENSIONS

_CAMERA_PICTURES = (".jpg", ".jpeg", ".heic", ".heif", ".hif")
"""Formats that a camera writes beside a RAW file."""

_OTHERS_IN_WORDS = (
    # Video and audio; THM is a video's thumbnail.
    "mov mp4 m4v avi mkv webm mts m2ts m2t mpg mpeg wmv flv 3gp 3g2 ogv vob lrv thm insv mp3 m4a aac wav flac ogg "
    "opus wma aif aiff amr mid "
    # Unsupported picture formats that may contain a small copy as JPEG or TIFF. Names of others (PSD, TGA ...) are not
    # conclusive: pictures get them by mistake.
    "ai eps ps svg svgz kra afphoto emf wmf "
    "ptx srf x3f 3fr fff iiq rwl mrw erf mef mos kdc dcr crw raw "
    # Sidecars and catalogues of photo programs, and files of cameras and copy tools.
    "xmp aae dop pp3 on1 cos cot cop comask cosessiondb lrcat lrprev lrfprev lrtemplate ithmb ini db lnk url "
    # Tables, texts, documents.
    "csv tsv json jsonl txt md rtf pdf doc docx xls xlsx ppt pptx odt ods odp pages numbers key epub html htm css xml "
    "yaml yml toml log srt vtt gpx kml kmz ics vcf eml msg parquet npy npz sqlite sqlite3 "
    # Archives, programs, their code and parts.
    "zip 7z rar tar gz tgz bz2 tbz2 xz txz zst tzst lz lz4 iso dmg vmdk vdi vhd vhdx exe msi dll so dylib apk "
    "jar pkg deb rpm py pyc js mjs ts tsx jsx c h cc cpp hpp cs java class go rs rb php sh bat ps1 sql map ttf otf "
    "woff woff2 "
    # Incomplete downloads and temporary files.
    "part partial filepart crdownload download tmp temp !ut swp bak~ lock sha1 sha256 md5"
)
_OTHER_KINDS = frozenset(_OTHERS_IN_WORDS.split())
_SUFFIX = re.compile(r"[^/\\.]\.([a-z0-9!~_-]{1,13})$")
_BEFORE = ("_original", "~")
"""Suffixes of the backups that exiftool and editors leave beside a file."""
_MOST_KINDS = 12
REDUNDANT = "beside the camera's own picture"
"""Remark on RAW files that are skipped in favour of the camera's own picture."""


BROKEN_LINK = "with a broken link"
"""How links are counted that lead nowhere, as to a disk that is not mounted."""


def is_picture_name(name: str) -> bool:
    """Whether a name has the suffix of a supported format."""
    return name.lower().endswith(EXTENSIONS)


def suffix_of(name: str) -> str:
    """Return the suffix of a name in lower case, without the dot; "" if there is none."""
    match = _SUFFIX.search(name.lower())
    return match[1] if match else ""


def is_of_another_kind(suffix: str) -> bool:
    """Whether a suffix is known to be of another kind, so that the bytes need not be sniffed."""
    return suffix in _OTHER_KINDS or suffix.endswith(_BEFORE)


def kind_of(suffix: str) -> str:
    """Return the label under which an unsupported kind is counted."""
    return f".{suffix}" if suffix else "without a suffix"


def redundant_raws(paths: Iterable[str]) -> set[str]:
    """Return the RAW files among `paths` that have the camera's own picture of the same shot beside them.

    Cameras can write both, under one name. Searches would show both, looking alike.
    """
    paths = list(paths)
    raws = [path for path in paths if path.lower().endswith(RAW_EXTENSIONS)]
    if not raws:
        return set()
    pictures = {_stem(path) for path in paths if path.lower().endswith(_CAMERA_PICTURES)}
    return {path for path in raws if _stem(path) in pictures}


def _stem(path: str) -> str:
    return path.rpartition(".")[0].casefold()


def not_read(kinds: "Counter[str]") -> str:
    """Describe in a line how many files of which kinds were not read; "" for none."""
    kinds = +kinds
    first = kinds.most_common(_MOST_KINDS)
    parts = [f"{count:,} {kind}" for kind, count in first]
    others = kinds.total() - sum(count for _, count in first)
    if others:
        parts.append(f"{others:,} of other kinds")
    return f"Not read: {', '.join(parts)}." if parts else ""


def parts_of(name: str) -> list[str]:
    """Return the folders and the name of a member of an archive, without `.`, `..` and leading slashes: nothing is
    ever unpacked. Some Windows programs write backslashes."""
    return [part for part in name.replace("\\", "/").split("/") if part not in {"", ".", ".."}] or [""]


def plain_name(name: str) -> str:
    """Return the name of a member as a table would write it."""
    return "/".join(parts_of(name))


def storable(address: str) -> str:
    """Return an address as the database accepts it: file names may contain bytes that are not valid text."""
    return address.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
