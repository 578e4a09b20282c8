"""Sign up, log in, log out, change the password - Django's own, with our pages - and what one's account holds."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from search.conflicts import is_overtaken
from search.forms import ChangePasswordForm, LoginForm
from search.models import SavedSearch
from search.views.errors import error_page
from search.views.methods import require_http_methods, require_safe


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    if not settings.SIGN_UP_OPEN:
        advice = _("Ask the people who run this site for one, or log in with the one you have.")
        return error_page(request, 404, _("New accounts can't be made here."), advice)
    if request.user.is_authenticated:
        return redirect("search")
    form: UserCreationForm[Any] = UserCreationForm(request.POST if request.method == "POST" else None)
    if form.is_valid() and (user := _made(form)):
        login(request, user)
        messages.success(request, _("Welcome! You can add pictures now."))
        return HttpResponseRedirect(_next_page(request) or reverse("search"))
    status = 400 if form.errors else 200
    return render(request, "registration/sign_up.html", {"form": form, "next": _next_page(request)}, status=status)


def _made(form: "UserCreationForm[Any]") -> Any:
    """Return the new account; None where somebody was quicker to take the name, which the form then says."""
    try:
        with transaction.atomic():
            return form.save()
    except IntegrityError as error:
        if not is_overtaken(error):
            raise
    form.full_clean()  # finds the other one now
    return None


def _next_page(request: HttpRequest) -> str:
    """Return the address on this site that the person was going to, or nothing."""
    page = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(page, {request.get_host()}, require_https=request.is_secure())
    return page if safe else ""


class LogIn(LoginView):
    form_class = LoginForm
    redirect_authenticated_user = True

    def get_redirect_url(self, request: HttpRequest | None = None) -> str:
        page = str(super().get_redirect_url())
        return "" if page.partition("?")[0] == self.request.path else page

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        # 0: the session ends with the browser; None: SESSION_COOKIE_AGE, two weeks.
        self.request.session.set_expiry(None if form.cleaned_data["remember"] else 0)
        return response


@login_required
@require_safe
def account(request: HttpRequest) -> HttpResponse:
    """What belongs to this person, and the ways to change it."""
    assert request.user.is_authenticated
    return render(
        request, "registration/account.html", {"saved": SavedSearch.objects.filter(user=request.user).count()}
    )


class ChangePassword(PasswordChangeView):
    form_class = ChangePasswordForm
    success_url = reverse_lazy("search")

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        messages.success(self.request, _("Your password is changed."))
        return response
