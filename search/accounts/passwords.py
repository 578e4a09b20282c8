"""What ends with a password: sessions by Django itself, and the tokens of programs here."""

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
    """Whoever changes a password, by whichever page or command: what was made under the old one is over.

    Before it is written: a token that outlived its password because a process died between would be worse.
    """
    if raw or not instance.pk or (update_fields is not None and "password" not in update_fields):
        return
    before = User.objects.filter(pk=instance.pk).values_list("password", flat=True).first()
    if before is not None and before != instance.password and not _is_same_password(instance):
        ApiToken.objects.filter(user=instance.pk).delete()


def _is_same_password(user: User) -> bool:
    """Whether it is only hashed anew: Django notes what `set_password` was given, but not for its own upgrades."""
    return getattr(user, "_password", None) is None and is_password_usable(user.password)


def end_other_sessions(request: HttpRequest, user: User, password: str) -> None:
    """Log this person out everywhere but here; the password, which is theirs, stays, and tokens too."""
    user.set_password(password)
    user._password = None  # type: ignore[attr-defined] # as Django does for its own
    user.save(update_fields=["password"])
    update_session_auth_hash(request, user)
