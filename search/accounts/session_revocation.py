"""What ends when a password changes: sessions, by Django, and API tokens, here."""

from typing import Any

from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.hashers import is_password_usable
from django.contrib.auth.models import User
from django.db.models.signals import pre_save
from django.dispatch import receiver
from django.http import HttpRequest

from search.models import ApiToken


@receiver(pre_save, sender=User)
def end_tokens(
    sender: type[User], instance: User, raw: bool, update_fields: frozenset[str] | None, **kwargs: Any
) -> None:
    """Delete a user's API tokens when the password changes, whatever page or command changes it.

    Before the password is saved: if the process died in between, a token that outlives its password would be worse.
    """
    if raw or not instance.pk or (update_fields is not None and "password" not in update_fields):
        return
    before = User.objects.filter(pk=instance.pk).values_list("password", flat=True).first()
    if before is not None and before != instance.password and not _is_same_password(instance):
        ApiToken.objects.filter(user=instance.pk).delete()


def _is_same_password(user: User) -> bool:
    """Whether the password was only rehashed: Django records what `set_password` was given, except for its own
    upgrades."""
    return getattr(user, "_password", None) is None and is_password_usable(user.password)


def end_other_sessions(request: HttpRequest, user: User, password: str) -> None:
    """Log the user out everywhere but here; password and tokens stay."""
    user.set_password(password)
    user._password = None  # type: ignore[attr-defined] # as Django does when it rehashes
    user.save(update_fields=["password"])
    update_session_auth_hash(request, user)
