"""Fields that refer to images and accounts."""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models.expressions import Combinable

    from search.models.image import Image


def image_key(related_name: str) -> "models.OneToOneField[Image | Combinable, Image]":
    """Return the primary key of a table with at most one row for each image.

    The database deletes these rows with their image, and updates them when its id changes: Django, which would query
    for them first, has nothing to do.
    """
    return models.OneToOneField(
        "search.Image", on_delete=models.DO_NOTHING, primary_key=True, db_constraint=False, related_name=related_name
    )


def user_key(
    verbose_name: Any = None, *, related_name: str = "+", **options: Any
) -> "models.ForeignKey[User | Combinable | None, User | None]":
    """Return a field for the account that did something: None if it has been deleted, or if there was none."""
    return models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=verbose_name,
        on_delete=models.SET_NULL,
        null=True,
        related_name=related_name,
        **options,
    )
