"""How many connections a process has room for."""

import logging
import resource

logger = logging.getLogger(__name__)

_OTHERS = 256
"""Descriptors for what is no connection: the database, files, objects, models."""
_EACH = 3
"""Of a connection: itself, a body that comes, an answer that goes."""
_LEAST = 20


def room_for(wanted: int) -> tuple[int, int]:
    """Return how many connections there may be, and how many of them from one address.

    The system's limit of open files is raised as far as it may be; what it leaves counts.
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
