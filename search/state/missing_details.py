"""What pictures may lack: one definition for the count and the list that it links to."""

from django.db.models import QuerySet

from search.embedding import active_model
from search.models import Image, LostObject
from search.models.querysets import ImageQuerySet
from search.query import Filters
from search.query.filters import Certainty

_SAID = {
    "tags": Filters(tagged=False),
    "title": Filters(titled=False),
    "description": Filters(described=False),
    "date": Filters(dated=(Certainty.UNKNOWN,)),
}
NAMES = (*_SAID, "vector", "windows", "original", "thumbnail")


def lacking(images: QuerySet[Image], what: str) -> QuerySet[Image]:
    """Return the images that lack `what`, one of NAMES. Missing files are those found by the last storage check."""
    if what in _SAID:
        narrowed: QuerySet[Image] = _SAID[what].values.apply(images)  # type: ignore[arg-type]
        return narrowed
    if what == "vector":
        return images.filter(embedding_model="")
    if what == "windows":
        return images.filter(pk__in=ImageQuerySet(Image).with_pending_windows(active_model()).values("pk"))
    return images.filter(pk__in=LostObject.objects.filter(kind=what).values("image"))
