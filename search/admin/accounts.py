"""Users and groups as in Django, with roles and safe lists."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from search.accounts import roles
from search.accounts.forms import PasswordAlone
from search.accounts.roles import ROLES
from search.admin.forms import AccountForm, GroupForm
from search.admin.model_admin_bases import Sturdy, log_changes
from search.models import Album, Image, Report
from search.models.conflicts import locked

if TYPE_CHECKING:
    _UserAdmin = UserAdmin[User]
    _PasswordForm = AdminPasswordChangeForm[User]
else:
    _UserAdmin, _PasswordForm = UserAdmin, AdminPasswordChangeForm

# Nobody may read keys and codes; `manage.py remove_second_factor` removes them.
admin.site.unregister([User, Group, TOTPDevice, StaticDevice])


class SetPasswordForm(PasswordAlone, _PasswordForm):
    """Sets another user's password, or makes it unusable."""


def _giving(role: str) -> Any:
    """Return an action that gives a role to all selected accounts."""

    def give_role(model_admin: "CuratedUserAdmin", request: HttpRequest, queryset: QuerySet[User]) -> None:
        with transaction.atomic():
            people = locked(queryset.order_by("pk"))
            for user in people:
                roles.give(user, role)
            log_changes(request, people, "role")
        text = ngettext(
            "%(count)s account now has this role: %(role)s.",
            "%(count)s accounts now have this role: %(role)s.",
            len(people),
        )
        model_admin.message_user(request, text % {"count": len(people), "role": ROLES[role][0]}, messages.SUCCESS)

    give_role.__name__ = f"make_{role.lower()}"
    described = format_lazy("{}: {}", gettext_lazy("Assign role"), ROLES[role][0])
    return admin.action(give_role, permissions=["change"], description=described)


_PERMISSIONS = 2
"""Index of the permissions among Django's fieldsets."""


@admin.register(User)
class CuratedUserAdmin(Sturdy, _UserAdmin):
    form = AccountForm
    list_display = ("username", "email", "role", "is_active", "is_staff")
    actions = tuple(_giving(role) for role in ROLES)
    change_password_form = SetPasswordForm
    # Facts, which change while somebody has the page open.
    readonly_fields = ("last_login", "date_joined")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        parts = [(title, dict(part)) for title, part in super().get_fieldsets(request, obj)]
        if obj is not None:
            permissions: dict[str, Any] = dict(parts[_PERMISSIONS][1])
            parts[_PERMISSIONS] = parts[_PERMISSIONS][0], permissions | {"fields": ("role", *permissions["fields"])}
        return parts

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # Users with view permission only get no form.
        may_change = self.has_change_permission(request, obj)
        fields: Sequence[Any] = super().get_readonly_fields(request, obj)
        return list(fields) if may_change else [*fields, "role"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        role = form.cleaned_data.get("role", "")
        if "role" in form.changed_data:
            roles.give(form.instance, role)
        elif role and "groups" in form.changed_data:  # which holds only the other groups
            form.instance.groups.add(roles.group_of(role))

    @admin.display(description=gettext_lazy("role"))
    def role(self, user: User) -> str:
        if user.is_superuser:
            return _("Superuser")
        role = roles.role_of(user)
        return str(ROLES[role][0]) if role else ""

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        def work() -> HttpResponse:
            with transaction.atomic():
                answer: HttpResponse = super(CuratedUserAdmin, self).user_change_password(request, id, form_url)
                return answer

        return self.with_patience(request, work, lambda: redirect(request.get_full_path()))

    def lock_to_delete(self, keys: Sequence[Any]) -> None:
        # Lock first: their images and reports stay, without the name.
        locked(Image.objects.filter(uploader__in=keys).only("pk"))
        locked(Album.objects.filter(owner__in=keys).only("pk"))
        locked(Report.objects.filter(Q(reporter__in=keys) | Q(resolver__in=keys)).only("pk"))
        super().lock_to_delete(keys)


@admin.register(Group)
class CuratedGroupAdmin(Sturdy, GroupAdmin):
    form = GroupForm
