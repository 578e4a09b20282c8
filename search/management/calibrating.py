"""The last step of commands that change the collection: recalibrate its relevance thresholds, and measure the searches
that users are offered.
"""

from django.core.management.base import OutputWrapper

from search.embedding import ModelUnavailable
from search.example_searches.measuring import measure_if_due
from search.relevance import calibrate_if_due
from search.relevance.band_thresholds import measurements

EXAMPLES = 3
"""Example searches printed for each language."""


def calibrate_after(out: OutputWrapper, complaints: OutputWrapper) -> None:
    """Calibrate if that is due, and report it. The command's work is done: a missing model doesn't fail it."""
    try:
        if calibrate_if_due():
            out.write("Measured the thresholds for strong matches in this collection.")
        print_offered_searches(out)
    except ModelUnavailable as error:
        complaints.write(
            f"{error}\nThe thresholds for strong matches are not measured; run `manage.py calibrate` later."
        )


def print_offered_searches(out: OutputWrapper) -> None:
    """Measure the searches to offer if that is due, and print some. Raises ModelUnavailable.

    Servers do the same in the background, also for collections too small to calibrate.
    """
    found = measure_if_due() if measurements().exists() else None
    words = [text for own in (found or {}).values() for text in own[:EXAMPLES]]
    if words:
        out.write(f"It is strong in: {', '.join(words)}.")
