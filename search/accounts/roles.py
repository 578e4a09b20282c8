"""Roles: each is a Django group with permissions; an account has at most one.

    Viewer       looks, searches, downloads, saves searches
    Contributor  adds pictures, edits their own, keeps albums
    Curator      changes all pictures and albums, answers reports; may use the admin
    Owner        also lets people in and gives roles

Migration 0037 creates the groups; their permissions can be changed in the admin like those of any group. Superusers
may do everything. A new account is a Contributor, as every account was before roles existed.
"""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Q
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.utils.translation import gettext_lazy

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

VIEWER, CONTRIBUTOR, CURATOR, OWNER = "Viewer", "Contributor", "Curator", "Owner"
ROLES = {
    VIEWER: (gettext_lazy("Viewer"), gettext_lazy("views and searches pictures")),
    CONTRIBUTOR: (gettext_lazy("Contributor"), gettext_lazy("also adds pictures, edits their own and creates albums")),
    CURATOR: (gettext_lazy("Curator"), gettext_lazy("also edits all pictures and uses the administration")),
    OWNER: (gettext_lazy("Owner"), gettext_lazy("also approves accounts and assigns roles")),
}
"""By group name, in ascending order: the label of a role and what it may do."""
OF_STAFF = {CURATOR, OWNER}

_OWN = Q(codename__in=("add_image", "change_own_image", "add_album"))
_SIGN_UPS = Q(codename__endswith="_signup")
_ACCOUNTS = Q(content_type__app_label="auth", content_type__model__in=("user", "group"))
_SEARCH = Q(content_type__app_label="search")
MAY = {
    VIEWER: Q(pk__in=[]),
    CONTRIBUTOR: _SEARCH & _OWN,
    CURATOR: _SEARCH & ~_SIGN_UPS,
    OWNER: _SEARCH | _ACCOUNTS,
}
"""The permissions of a new role."""


def group_of(role: str) -> Group:
    """Return the group of a role; recreate it with its first permissions if it was deleted."""
    group, is_new = Group.objects.get_or_create(name=role)
    if is_new:
        group.permissions.set(Permission.objects.filter(MAY[role]))
    return group


def role_of(user: "User") -> str:
    """Return the name of an account's role; "" if it has none."""
    names = {group.name for group in user.groups.all()}
    return next((role for role in reversed(ROLES) if role in names), "")


@transaction.atomic
def give(user: "User", role: str) -> None:
    """Give an account this role instead of its present one, and access to the admin if the role has it."""
    user.groups.remove(*user.groups.filter(name__in=ROLES))
    if role:
        user.groups.add(group_of(role))
    is_staff = role in OF_STAFF or user.is_superuser
    if user.is_staff != is_staff:
        user.is_staff = is_staff
        user.save(update_fields=["is_staff"])


def may_add(user: "User | AnonymousUser") -> bool:
    """Whether the user may add pictures: by permission, or everybody if uploads need no account."""
    return not settings.UPLOAD_LOGIN_REQUIRED or user.has_perm("search.add_image")


def may_edit_own(user: "User | AnonymousUser") -> bool:
    return user.has_perm("search.change_own_image")


@receiver(post_save, sender=settings.AUTH_USER_MODEL, dispatch_uid="first role")
def _give_first_role(sender: Any, instance: "User", created: bool, raw: bool, **_more: Any) -> None:
    if created and not raw and not instance.is_superuser:
        instance.groups.add(group_of(CONTRIBUTOR))
