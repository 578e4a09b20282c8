"""Query pictures: pictures that people search by, stored as small copies for 30 days, so that the URL of a search can
be shared and paged."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import numpy as np
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from search import decoding
from search.decoding import Shown, Source
from search.embedding import Picture, active_model, picture_encoder, require_fit
from search.imaging import UnreadableImage
from search.models import Image, QueryPicture, QueryVector
from search.models.active_pair import Choice, known_switch, one_choice
from search.models.image import content_id
from search.models.vector_values import Vector, WrongVectors
from search.monitoring import event_counters
from search.objects import storage
from search.query.errors import NoSuchQuery

LONGEST = 448
"""Longest side of the stored copy in pixels: twice what the models see."""
AT_ONCE = 32
"""Stored pictures per batch when they are embedded with another model."""


def remember_picture(source: Source) -> uuid.UUID:
    """Embed and store a picture; return its token, the value of `?picture=`.

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
    """Embed and store what `shown` returns; return its token, the value of `?picture=`. Raises what `shown` raises.

    A crop of an image (`part_of`) is available only as long as the image is shown. Raises NoSuchQuery if that was
    deleted meanwhile.

    The token is a hash of our secret key and the file's bytes: a stored file is not decoded and encoded again, and an
    image's URL, even of a hidden one, doesn't reveal the token of a copy that somebody searched by.
    """
    QueryPicture.forget_old()
    token = content_id(settings.SECRET_KEY.encode(), source)
    kept = QueryPicture.kept().filter(pk=token, embedding_model=active_model())
    is_known = bool(kept.update(created=timezone.now()))
    event_counters.looked_up("query pictures", found=is_known)
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
            _("You can't search by this picture: it was removed, is hidden, or does not have a vector yet.")
        ) from error
    return token


def picture_vector(token: uuid.UUID) -> Vector:
    """Return the unit vector of a stored picture, shape (dimensions,). Raises NoSuchQuery and ModelUnavailable."""
    kept = QueryPicture.kept().filter(pk=token).first()
    if kept is None:
        raise NoSuchQuery(_("The picture of this search has expired. Upload it again to search by it."))
    model = active_model()
    if kept.embedding_model == model:
        return np.asarray(kept.embedding, dtype=np.float32)
    further = kept.vectors.filter(model=model).first()
    if further is not None:
        return np.asarray(further.embedding, dtype=np.float32)
    # The model has changed: embed the stored copy again.
    vector = _encoded(_kept_picture(kept))
    if _may_come_back(kept.embedding_model):
        _store_further({kept.pk: vector}, model)
    else:
        # Not save(), which fails if the picture was deleted meanwhile.
        QueryPicture.objects.filter(pk=token).update(embedding=vector, embedding_model=model)
    return vector


def embed_kept_pictures(choice: Choice) -> int:
    """Embed all stored pictures that lack a vector of another pair of models; return their number. Idempotent.

    Unreadable pictures are skipped. Raises ModelUnavailable and decoding.Busy.
    """
    with one_choice(choice):
        lacking = QueryPicture.kept().exclude(embedding_model=choice.model)
        tokens = list(lacking.exclude(vectors__model=choice.model).values_list("pk", flat=True))
        for start in range(0, len(tokens), AT_ONCE):
            _embed_some(tokens[start : start + AT_ONCE], choice.model)
    return len(tokens)


def _embed_some(tokens: Sequence[uuid.UUID], model: str) -> None:
    pictures = {}
    for kept in QueryPicture.objects.filter(pk__in=tokens):
        with suppress(UnreadableImage):
            pictures[kept.pk] = _kept_picture(kept)
    vectors = picture_encoder().encode_pictures(list(pictures.values()))
    _store_further(dict(zip(pictures, vectors, strict=True)), model)


def _store_further(vectors: Mapping[uuid.UUID, Vector], model: str) -> None:
    """Store additional vectors of pictures that still exist."""
    with transaction.atomic():
        there = QueryPicture.objects.select_for_update(no_key=True).filter(pk__in=vectors).order_by("pk")
        QueryVector.objects.bulk_create(
            [QueryVector(picture_id=one.pk, model=model, embedding=vectors[one.pk]) for one in there],
            ignore_conflicts=True,
        )


def forget_vectors_by(model: str) -> None:
    """Replace the vectors of an unused model by those of the active one. Pictures without one are embedded from their
    stored copies."""
    now = active_model()
    with transaction.atomic():
        QueryVector.objects.filter(model=model).delete()
        further = QueryVector.objects.filter(model=now, picture__embedding_model=model)
        vectors = dict(further.values_list("picture", "embedding"))
        for kept in QueryPicture.objects.select_for_update(no_key=True).filter(pk__in=vectors).order_by("pk"):
            kept.embedding, kept.embedding_model = vectors[kept.pk], now
            kept.save(update_fields=["embedding", "embedding_model"])
        QueryVector.objects.filter(model=now, picture__in=vectors).delete()
    for kept in QueryPicture.objects.filter(embedding_model=model).iterator(AT_ONCE):
        here = QueryPicture.objects.filter(pk=kept.pk)
        try:
            here.update(embedding=_encoded(_kept_picture(kept)), embedding_model=now)
        except (UnreadableImage, WrongVectors):
            here.delete()  # it is of no use for searches


def _kept_picture(kept: QueryPicture) -> Picture:
    return decoding.read_picture(bytes(kept.rendition), max_pixels=LONGEST * LONGEST).picture


def _may_come_back(model: str) -> bool:
    """Whether other processes, or this one later, may use an image model that is not active here."""
    switch = known_switch()
    if switch is None:
        return False
    return model in {named.model for named in (switch.active, switch.next, switch.kept) if named}


def _encoded(picture: Picture) -> Vector:
    encoder = picture_encoder()
    require_fit()
    with event_counters.encoding("pictures"):
        vector: Vector = encoder.encode_pictures([picture])[0]
    return vector
