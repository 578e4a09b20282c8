"""Selections: images that a user picked from results, read from a form, in the order picked."""

import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from django.http import QueryDict
from django.utils.translation import gettext as _

from search.models import FormerId, Image
from search.models.picture_sets import MOST


class BadSelection(Exception):
    """The form contains no valid selection. The message is for the user."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Unique ids in order, at least one; and the similarities that the results showed, if any."""

    ids: Sequence[uuid.UUID]
    similarities: Mapping[uuid.UUID, float] = field(default_factory=dict)

    @classmethod
    def from_params(cls, params: QueryDict) -> Self:
        """Parse `id`, repeated, and `similarity-<id>`. Raises BadSelection."""
        given = params.getlist("id")
        if not given:
            raise BadSelection(_("Choose at least one picture."))
        try:
            ids = list(dict.fromkeys(uuid.UUID(value) for value in given))
        except ValueError:
            raise BadSelection(_("One of the pictures is unknown. Go back and choose the pictures again.")) from None
        if len(ids) > MOST:
            raise BadSelection(
                _("You chose %(number)s pictures; the limit is %(limit)s at once.")
                % {"number": f"{len(ids):,}", "limit": f"{MOST:,}"}
            )
        similarities = {image_id: _similarity(params.get(f"similarity-{image_id}", "")) for image_id in ids}
        return cls(ids, {image_id: value for image_id, value in similarities.items() if value is not None})

    def images(self, user: Any = None) -> list[Image]:
        """Return the images that exist, in order, and that everybody, or this `user`, may see."""
        return images_in_order(self.ids, user)


def images_in_order(ids: Sequence[uuid.UUID], user: Any = None) -> list[Image]:
    """Return the images with these ids, current or former, in order and without duplicates; only those that exist and
    that everybody, or this `user`, may see."""
    lists = Image.objects.for_lists().select_related("capture", "palette")
    images = lists.shown() if user is None else lists.visible_to(user)
    found = images.in_bulk(ids)
    former = FormerId.present([image_id for image_id in ids if image_id not in found])
    found |= images.in_bulk(former.values())
    present = (image_id if image_id in found else former.get(image_id) for image_id in ids)
    return [found[image_id] for image_id in dict.fromkeys(present) if image_id in found]


def _similarity(value: str) -> float | None:
    try:
        similarity = float(value[:20])
    except ValueError:
        return None
    return similarity if math.isfinite(similarity) and -1 <= similarity <= 1 else None
