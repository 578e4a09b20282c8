"""Pictures that people search by: kept small for 30 days, so that the address of a search can be sent and paged."""

import uuid
from collections.abc import Callable

import numpy as np
from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone
from django.utils.translation import gettext as _

from search import decoding, storage
from search.decoding import Shown, Source
from search.embedding import Picture, active_model, picture_encoder, require_fit
from search.models import Image, QueryPicture
from search.models.image import content_id
from search.monitoring import recording
from search.querying.errors import NoSuchQuery
from search.vectors import Vector

LONGEST = 448
"""Longest side in pixels of what is kept: twice what the models see."""


def remember_picture(source: Source) -> uuid.UUID:
    """Embed and keep a picture; return the token that `?picture=` takes.

    Raises UnreadableImage, decoding.Busy and ModelUnavailable.
    """

    def shown() -> Shown:
        return decoding.shown_picture(
            source,
            max_pixels=1_000_000 * min(settings.UPLOAD_MAX_MEGAPIXELS, settings.SEARCH_MAX_MEGAPIXELS),
            longest=storage.THUMBNAIL,
            window=picture_encoder().window,
            copy=LONGEST,
        )

    return remember(source, shown)


def remember(source: Source, shown: Callable[[], Shown], *, part_of: Image | None = None) -> uuid.UUID:
    """Embed and keep what is `shown`; return the token that `?picture=` takes. Raises what `shown` raises.

    What was cut out of an image is kept no longer than the image is shown. Raises NoSuchQuery where that was deleted
    meanwhile.

    The token is made from our secret and the file's bytes: the same file costs no second look and encoding while it is
    kept, and the address of an image, hidden ones too, does not lead to the copy that somebody searched by.
    """
    QueryPicture.forget_old()
    token = content_id(settings.SECRET_KEY.encode(), source)
    kept = QueryPicture.kept().filter(pk=token, embedding_model=active_model())
    is_known = bool(kept.update(created=timezone.now()))
    recording.looked_up("query pictures", found=is_known)
    if is_known:
        return token
    seen = shown()
    fresh = QueryPicture(
        id=token,
        embedding=_encoded(seen.picture),
        embedding_model=active_model(),
        rendition=seen.copy,
        image=part_of,
        created=timezone.now(),
    )
    columns = ["embedding", "embedding_model", "rendition", "image", "created"]
    try:
        QueryPicture.objects.bulk_create([fresh], update_conflicts=True, unique_fields=["id"], update_fields=columns)
    except IntegrityError as error:
        if part_of is None:
            raise
        raise NoSuchQuery(
            _("This picture can't be searched by: it was removed, is hidden, or no vector is there yet.")
        ) from error
    return token


def picture_vector(token: uuid.UUID) -> Vector:
    """Return the unit vector of a kept picture, shape (dimensions,). Raises NoSuchQuery and ModelUnavailable."""
    kept = QueryPicture.kept().filter(pk=token).first()
    if kept is None:
        raise NoSuchQuery(_("The picture of this search is not kept any more. Show it again to search by it."))
    if kept.embedding_model != active_model():
        # The model has changed since: the rendition that was kept is what can be embedded anew.
        picture = decoding.read_picture(bytes(kept.rendition), max_pixels=LONGEST * LONGEST).picture
        kept.embedding = _encoded(picture)
        # Not save(): it fails where the picture was forgotten meanwhile.
        QueryPicture.objects.filter(pk=token).update(embedding=kept.embedding, embedding_model=active_model())
    return np.asarray(kept.embedding, dtype=np.float32)


def _encoded(picture: Picture) -> Vector:
    encoder = picture_encoder()
    require_fit()
    with recording.encoding("pictures"):
        vector: Vector = encoder.encode_pictures([picture])[0]
    return vector
