"""Users and groups as Django has them, in lists that no input breaks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from search.admin.forms import AccountForm, GroupForm
from search.admin.lists import Sturdy
from search.conflicts import locked
from search.forms import PasswordAlone
from search.models import Image, Report

if TYPE_CHECKING:
    _UserAdmin = UserAdmin[User]
    _PasswordForm = AdminPasswordChangeForm[User]
else:
    _UserAdmin, _PasswordForm = UserAdmin, AdminPasswordChangeForm

# Keys and codes are nobody's to read; `manage.py remove_second_factor` removes them.
admin.site.unregister([User, Group, TOTPDevice, StaticDevice])


class SetPasswordForm(PasswordAlone, _PasswordForm):
    """A password for somebody else, or none."""


@admin.register(User)
class CuratedUserAdmin(Sturdy, _UserAdmin):
    form = AccountForm
    change_password_form = SetPasswordForm
    # Facts, and noted while somebody else has the page open.
    readonly_fields = ("last_login", "date_joined")

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        def work() -> HttpResponse:
            with transaction.atomic():
                answer: HttpResponse = super(CuratedUserAdmin, self).user_change_password(request, id, form_url)
                return answer

        return self.with_patience(request, work, lambda: redirect(request.get_full_path()))

    def lock_to_delete(self, keys: Sequence[Any]) -> None:
        # What they added and reported stays, without their name.
        locked(Image.objects.filter(uploader__in=keys).only("pk"))
        locked(Report.objects.filter(Q(reporter__in=keys) | Q(resolver__in=keys)).only("pk"))
        super().lock_to_delete(keys)


@admin.register(Group)
class CuratedGroupAdmin(Sturdy, GroupAdmin):
    form = GroupForm
