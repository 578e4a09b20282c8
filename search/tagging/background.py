"""Suggestions for what has come, made by a server now and then."""

import logging
import threading

from search.concurrency.background import keep_doing
from search.embedding import ModelUnavailable, status
from search.tagging.suggesting import is_due, suggest
from search.tagging.vocabulary import encode_missing

logger = logging.getLogger(__name__)

LOOK_EACH = 60.0
"""Seconds between two looks whether there is something to compare."""


def suggest_what_is_due() -> bool:
    """Encode phrases that have no vector, where the model is at hand, and compare what is new; return whether there
    was anything to do."""
    if not is_due():
        return False
    if status()["words"] == "ready":
        try:
            encode_missing()
        except ModelUnavailable as error:
            logger.warning("Phrases of tags were not encoded: %s", error)
    suggest()
    return True


def keep_suggesting(every: float = LOOK_EACH) -> threading.Event:
    """Do it in the background, now and then, until the event that is returned is set."""
    return keep_doing(suggest_what_is_due, every, "tag-suggestions", "Tags could not be suggested")
