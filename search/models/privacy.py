"""Private pictures: those that not everybody may see.

A private picture is also `hidden` as long as it has a row here. So whatever excludes hidden pictures (searches,
counts, feeds, sets) excludes it too, and code that forgets about privacy shows nothing. Only these check who may see
it: `ImageQuerySet.visible_to`, `search.views.images` and `search.query.filter_sql`.
"""

import uuid
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from search.models.albums import Visibility
from search.models.foreign_keys import image_key
from search.models.sql_statements import execute, fetch_all, fetch_value

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

    from search.models.image import Image


class PrivateQuerySet(models.QuerySet["Private"]):
    def seen_by(self, user_id: Any) -> Self:
        """Those that this account may see without being a curator: its own, and those for all members."""
        open_ones = self.filter(hidden=False, image__trashed=None)
        return open_ones.filter(models.Q(visibility=Visibility.MEMBERS) | models.Q(image__uploader=user_id))


class Private(models.Model):
    """A picture visible to its uploader or to members, and to curators. `hidden` is the curators' own value: the
    image's is True in any case.
    """

    image = image_key("private")
    visibility = models.CharField(_("visible to"), max_length=7, choices=Visibility, editable=False)
    hidden = models.BooleanField(editable=False)

    objects = PrivateQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(visibility__in=["own", "members"]), name="private_is_for_some"),
        ]

    def __str__(self) -> str:
        return f"{self.image_id}: {self.visibility}"

    @classmethod
    def may_be(cls) -> bool:
        """Whether pictures can be private: not if the storage serves all of them publicly."""
        return not settings.S3_PUBLIC_BASE_URL

    @classmethod
    def any_for(cls, user: "User | AnonymousUser") -> bool:
        """Whether there is a private picture that this user, who is not a curator, may see."""
        return bool(user.is_authenticated) and cls._is_any() and cls.objects.seen_by(user.pk).exists()

    @staticmethod
    def _is_any() -> bool:
        """Whether there is any private picture. Mostly there is none, and Django's ORM takes longer than the query."""
        return bool(fetch_value("SELECT EXISTS (SELECT FROM search_private)"))

    @classmethod
    def shows(cls, image: "Image", user: "User | AnonymousUser") -> bool:
        """Whether a hidden picture is a private one that this user may see."""
        return bool(user.is_authenticated) and cls.objects.seen_by(user.pk).filter(pk=image.pk).exists()


def tell_visibility(images: "Iterable[Image]") -> None:
    """Set `visibility` on each of these. No query if none is hidden."""
    hidden = {image.pk: image for image in images if image.hidden}
    if hidden:
        found = Private.objects.filter(pk__in=hidden).values_list("pk", "visibility", "hidden")
        for image_id, visibility, is_hidden in found:
            hidden[image_id].visibility = "" if is_hidden else visibility


def hand_over_privacy(former_id: uuid.UUID, image_id: uuid.UUID) -> None:
    """Give an image the privacy and the uploader of another one that shows the same. Within a transaction."""
    is_private = fetch_all(
        "INSERT INTO search_private (image_id, visibility, hidden)"
        " SELECT image.id, private.visibility, image.hidden FROM search_private AS private, search_image AS image"
        " WHERE private.image_id = %s AND image.id = %s ON CONFLICT DO NOTHING RETURNING image_id",
        [former_id, image_id],
    )
    if is_private:
        execute(
            "UPDATE search_image AS image SET hidden = true, uploader_id = coalesce(image.uploader_id,"
            " (SELECT uploader_id FROM search_image WHERE id = %s)) WHERE id = %s",
            [former_id, image_id],
        )


def levels_of(image_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, tuple[str, bool]]:
    """Return, for private ones among these images, who sees them, and whether curators have hidden them."""
    found = Private.objects.filter(image__pk__any_of=frozenset(image_ids)).values_list("pk", "visibility", "hidden")
    return {image_id: (visibility, hidden) for image_id, visibility, hidden in found}
