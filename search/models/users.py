"""References to accounts, which outlive them."""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models.expressions import Combinable


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
