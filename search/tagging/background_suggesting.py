"""Suggest tags for new pictures periodically, in the background of a server."""

import logging
import threading

from search.concurrency.background_threads import keep_doing
from search.embedding import ModelUnavailable, status
from search.tagging.suggesting import is_due, suggest
from search.tagging.vocabulary import encode_missing

logger = logging.getLogger(__name__)

LOOK_EACH = 60.0
"""Seconds between two checks for something to compare."""


def suggest_what_is_due() -> bool:
    """Encode missing phrase vectors, if the model is loaded, and compare what is new; return whether anything was
    due."""
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
    """Run it periodically in the background until the returned event is set."""
    return keep_doing(suggest_what_is_due, every, "tag-suggestions", "Tags could not be suggested")
