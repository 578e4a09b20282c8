"""New accounts that await a curator's approval."""

import datetime as dt
from collections.abc import Collection
from typing import ClassVar

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import models, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

MOST_WAITING = 500
"""Maximum number of pending sign-ups: the limit of rows that strangers can create."""
FORGOTTEN_AFTER = dt.timedelta(days=30)


class SignUp(models.Model):
    """An account that is inactive until a curator approves it. The row is deleted with the decision."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, verbose_name=_("user"), on_delete=models.CASCADE, related_name="sign_up"
    )
    language = models.CharField(_("language"), max_length=10, editable=False)
    created = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("sign-up")
        verbose_name_plural = _("sign-ups")
        ordering: ClassVar = ["created", "id"]

    def __str__(self) -> str:
        return self.user.get_username()

    @classmethod
    def waiting(cls) -> "models.QuerySet[SignUp]":
        """Pending ones: without those activated in another way."""
        return cls.objects.filter(user__is_active=False).select_related("user")

    @classmethod
    def approve(cls, keys: Collection[int]) -> "list[SignUp]":
        """Activate these accounts; return those that were still pending."""
        with transaction.atomic():
            approved = cls._lock(keys)
            users = [one.user_id for one in approved]
            get_user_model().objects.filter(pk__in=users).update(is_active=True)
            cls.objects.filter(pk__in=[one.pk for one in approved]).delete()
        return approved

    @classmethod
    def refuse(cls, keys: Collection[int]) -> "list[SignUp]":
        """Delete these accounts, which were never used; return those that were still pending."""
        with transaction.atomic():
            refused = cls._lock(keys)
            get_user_model().objects.filter(pk__in=[one.user_id for one in refused]).delete()
        return refused

    @classmethod
    def forget_old(cls) -> None:
        """Delete accounts that were pending for a month."""
        old = cls.waiting().filter(created__lte=timezone.now() - FORGOTTEN_AFTER).values_list("pk", flat=True)[:100]
        if keys := list(old):
            cls.refuse(keys)

    @classmethod
    def _lock(cls, keys: Collection[int]) -> "list[SignUp]":
        return list(cls.waiting().filter(pk__in=keys).order_by("pk").select_for_update(of=("self", "user")))
