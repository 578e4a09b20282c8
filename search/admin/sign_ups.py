"""The queue of sign-ups, which curators approve or refuse."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy, ngettext

from search.accounts.mailing import send
from search.admin import picture_html
from search.admin.model_admin_bases import LongList
from search.models import SignUp


@admin.register(SignUp)
class SignUpAdmin(LongList):
    list_display = ("name", "email", "signed_up")
    list_display_links = None
    search_fields = ("user__username", "user__email")
    search_help_text = gettext_lazy("Part of the user name or the e-mail address.")
    fields = readonly_fields = list_display
    actions = ("approve_selected", "refuse_selected")

    def get_queryset(self, request: HttpRequest) -> QuerySet[SignUp]:
        return super().get_queryset(request).filter(user__is_active=False).select_related("user")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Always False: people sign up by themselves."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Always False: refusing deletes the account as well."""
        return False

    @admin.action(permissions=["change"], description=gettext_lazy("Approve the selected accounts"))
    def approve_selected(self, request: HttpRequest, queryset: QuerySet[SignUp]) -> None:
        approved = self._decide(request, queryset, SignUp.approve, CHANGE)
        text = ngettext("%(count)s account was approved.", "%(count)s accounts were approved.", len(approved))
        self.message_user(request, text % {"count": len(approved)}, messages.SUCCESS)
        self._mail_all("approved", approved, request.build_absolute_uri(reverse("login")))

    @admin.action(permissions=["change"], description=gettext_lazy("Reject the selected sign-ups"))
    def refuse_selected(self, request: HttpRequest, queryset: QuerySet[SignUp]) -> None:
        refused = self._decide(request, queryset, SignUp.refuse, DELETION)
        text = ngettext("%(count)s sign-up was rejected.", "%(count)s sign-ups were rejected.", len(refused))
        self.message_user(request, text % {"count": len(refused)}, messages.SUCCESS)
        self._mail_all("refused", refused, request.build_absolute_uri(reverse("search")))

    def _decide(
        self,
        request: HttpRequest,
        queryset: QuerySet[SignUp],
        decide: Callable[[list[int]], list[SignUp]],
        flag: int,
    ) -> list[SignUp]:
        """Decide, and log it for the accounts, also for deleted ones."""
        with transaction.atomic():
            decided = decide(list(queryset.values_list("pk", flat=True)))
            if decided:
                users: list[User] = [one.user for one in decided]
                LogEntry.objects.log_actions(request.user.pk, users, flag, "sign-up")  # type: ignore[arg-type]
        return decided

    def _mail_all(self, template: str, people: list[SignUp], address: str) -> None:
        for one in people:
            if one.user.email:
                send(template, one.user.email, one.language, name=one.user.get_username(), address=address)

    @admin.display(description=gettext_lazy("username"), ordering="user__username")
    def name(self, sign_up: SignUp) -> str:
        return sign_up.user.get_username()

    @admin.display(description=gettext_lazy("e-mail address"), ordering="user__email")
    def email(self, sign_up: SignUp) -> str:
        return sign_up.user.email

    @admin.display(description=gettext_lazy("created"), ordering="created")
    def signed_up(self, sign_up: SignUp) -> str:
        return picture_html.moment(sign_up.created)
