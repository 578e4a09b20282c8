"""Which names are looked at, and how they are written down."""

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".avif", ".heic", ".heif", ".hif")
_HIDDEN = (".", "@eaDir", "__MACOSX")


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is left alone: hidden ones, and what NAS devices and macOS add."""
    return name.startswith(_HIDDEN)


def is_picture_name(name: str) -> bool:
    """Whether a name ends as a picture's does."""
    return name.lower().endswith(SUFFIXES)


def is_offered(path: str) -> bool:
    """Whether a path with slashes, relative to what was named, is that of a picture and nowhere hidden."""
    return is_picture_name(path) and not any(is_hidden(part) for part in path.split("/"))


def storable(address: str) -> str:
    """Return an address as the database takes it: names of files may hold bytes that are no text."""
    return address.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
