"""Common parts of the containers."""

import struct


class Malformed(Exception):
    """The container deviates too much from its standard to be copied part by part."""


def whole_profile(profile: bytes) -> bytes | None:
    """Return an ICC colour profile cut to the length it declares; None if it is invalid."""
    if len(profile) < 128 or profile[36:40] != b"acsp":
        return None
    (length,) = struct.unpack_from(">I", profile)
    return profile[:length] if 128 <= length <= len(profile) else None
