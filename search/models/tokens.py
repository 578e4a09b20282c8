"""API tokens: secrets by which programs act for a person. Only digests are stored: a copy of the database is of no
use."""

import datetime as dt
import hashlib
import secrets
from typing import TYPE_CHECKING, ClassVar, Self

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import models, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from search.models.text_fields import LineField

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MOST_TOKENS = 20
"""Per person, so that a faulty script fills no table."""
USE_NOTED_EVERY = dt.timedelta(hours=1)
_BEGINNING = "pix_"
"""Identifies the secret to people, and to scanners for leaked secrets."""
_SHOWN = len(_BEGINNING) + 6


class TooManyTokens(Exception):
    """This person has the maximum number of tokens."""


class ApiToken(models.Model):
    """A token of one person. Its secret gives that person's rights; deleting the row revokes it."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("user"), on_delete=models.CASCADE, related_name="api_tokens"
    )
    name = LineField(
        _("name"), max_length=100, help_text=_("Where you will use it, to recognise it later when you revoke tokens.")
    )
    # Random secrets of 256 bits need no slow hash: they can't be guessed.
    digest = models.CharField(max_length=64, unique=True, editable=False)
    prefix = models.CharField(_("begins with"), max_length=_SHOWN, editable=False)
    created = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    last_used = models.DateTimeField(_("last used"), null=True, editable=False)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering: ClassVar = ["-created", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(digest__regex=r"^[0-9a-f]{64}$"), name="api_token_digest_is_hex")
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @classmethod
    def issue(cls, user: "User", name: str) -> tuple[Self, str]:
        """Create a token for `user`; return it with its secret, which is not stored. Raises TooManyTokens."""
        secret = _BEGINNING + secrets.token_urlsafe(32)
        with transaction.atomic():
            # Two concurrent requests could otherwise exceed the maximum.
            get_user_model().objects.select_for_update().get(pk=user.pk)
            if cls.objects.filter(user=user).count() >= MOST_TOKENS:
                raise TooManyTokens
            token = cls.objects.create(user=user, name=name, digest=_digest(secret), prefix=secret[:_SHOWN])
        return token, secret

    @classmethod
    def of_secret(cls, secret: str) -> "Self | None":
        """Return the token with this secret, if its user may still log in; else None."""
        token = cls.objects.select_related("user").filter(digest=_digest(secret), user__is_active=True).first()
        if token:
            token._note_use()
        return token

    def _note_use(self) -> None:
        now = timezone.now()
        if self.last_used is None or self.last_used < now - USE_NOTED_EVERY:
            # A write at each request would cost more than the search.
            type(self).objects.filter(pk=self.pk).update(last_used=now)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
