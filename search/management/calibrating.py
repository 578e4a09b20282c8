"""What commands that change the collection do last: see that the relevance of its results is still told right."""

from django.core.management.base import OutputWrapper

from search.embedding import ModelUnavailable
from search.relevance import calibrate_if_due


def calibrate_after(out: OutputWrapper, complaints: OutputWrapper) -> None:
    """Calibrate if that is due, and tell of it. The command has done its work: a missing model doesn't fail it."""
    try:
        if calibrate_if_due():
            out.write("Measured what counts as a strong match in this collection.")
    except ModelUnavailable as error:
        complaints.write(f"{error}\nWhat counts as a strong match is not measured; later run `manage.py calibrate`.")
