"""Users and groups as Django has them, in lists that no input breaks."""

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User

from search.admin.lists import Sturdy

if TYPE_CHECKING:
    _UserAdmin = UserAdmin[User]
else:
    _UserAdmin = UserAdmin

admin.site.unregister([User, Group])


@admin.register(User)
class CuratedUserAdmin(Sturdy, _UserAdmin):
    pass


@admin.register(Group)
class CuratedGroupAdmin(Sturdy, GroupAdmin):
    pass
