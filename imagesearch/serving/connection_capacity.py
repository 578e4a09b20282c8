"""The maximum number of connections of a process, by its limit of file descriptors."""

import logging
import resource

logger = logging.getLogger(__name__)

_OTHERS = 256
"""File descriptors for the database, files, objects and models."""
_EACH = 3
"""File descriptors per connection: the socket, a body's file, a response's file."""
_LEAST = 20


def room_for(wanted: int) -> tuple[int, int]:
    """Return the maximum number of connections, in total and per client address.

    Raises the limit of open files as far as allowed, and goes by the result.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = wanted * _EACH + _OTHERS
    if soft != resource.RLIM_INFINITY and soft < need:
        allowed = need if hard == resource.RLIM_INFINITY else min(need, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
            soft = allowed
        except (OSError, ValueError) as error:
            logger.warning("The limit of open files can't be raised: %s", error)
    room = wanted if soft == resource.RLIM_INFINITY else min(wanted, max(_LEAST, (soft - _OTHERS) // _EACH))
    if room < wanted:
        logger.warning("The limit of %s open files leaves room for %s connections, not %s.", soft, room, wanted)
    return room, max(_LEAST, room // 4)
