"""What commands that change the collection do last: see that the relevance of its results is still told right, and
that people are offered what it is strong in.
"""

from django.core.management.base import OutputWrapper

from search.embedding import ModelUnavailable
from search.relevance import calibrate_if_due
from search.relevance.bands import measurements
from search.things.measuring import measure_if_due

TOLD = 3
"""Examples in each language."""


def calibrate_after(out: OutputWrapper, complaints: OutputWrapper) -> None:
    """Calibrate if that is due, and tell of it. The command has done its work: a missing model doesn't fail it."""
    try:
        if calibrate_if_due():
            out.write("Measured what counts as a strong match in this collection.")
        tell_things(out)
    except ModelUnavailable as error:
        complaints.write(f"{error}\nWhat counts as a strong match is not measured; later run `manage.py calibrate`.")


def tell_things(out: OutputWrapper) -> None:
    """Measure what the collection is strong in if that is due, and tell some of it. Raises ModelUnavailable.

    Servers do the same for what is too small to be calibrated, in their own time.
    """
    found = measure_if_due() if measurements().exists() else None
    words = [text for own in (found or {}).values() for text in own[:TOLD]]
    if words:
        out.write(f"It is strong in: {', '.join(words)}.")
