"""The page for setting up, renewing and removing two-factor login."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from search.accounts import second_factor
from search.accounts.forms import OwnPasswordForm, SetUpForm
from search.accounts.session_revocation import end_other_sessions
from search.http.methods import require_http_methods

_KEY = "second_factor_key"


@login_required
@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    return _change(request) if second_factor.has_one(request.user) else _set_up(request)


@sensitive_variables("key", "codes")
def _set_up(request: HttpRequest) -> HttpResponse:
    """Show the key until a valid code confirms that an app has it."""
    user = request.user
    assert isinstance(user, User)
    key = str(request.session.setdefault(_KEY, second_factor.new_key()))
    form = SetUpForm(request, request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            codes = second_factor.set_up(user, key, form.cleaned_data["code"])
        except second_factor.WrongCode:
            form.add_error(
                "code", _("This code does not match the key. Check that the clock of your device is correct.")
            )
        else:
            del request.session[_KEY]
            end_other_sessions(request, user, form.cleaned_data["password"])
            return _with_codes(request, codes)
    context = {
        "form": form,
        "qr_code": second_factor.qr_code(user, key),
        "key": second_factor.written_key(key),
        "is_required": settings.REQUIRE_SECOND_FACTOR and user.is_staff,
    }
    return render(request, "registration/second_factor_set_up.html", context, status=400 if form.errors else 200)


@sensitive_variables("codes")
def _change(request: HttpRequest) -> HttpResponse:
    user = request.user
    assert isinstance(user, User)
    form = OwnPasswordForm(request, request.POST if request.method == "POST" else None)
    if form.is_valid() and request.POST.get("what") == "remove":
        second_factor.remove(user)
        messages.success(request, _("Two-factor login was turned off. You now log in with your password only."))
        return redirect("account")
    if form.is_valid():
        return _with_codes(request, second_factor.new_recovery_codes(user))
    context = {"form": form, "left": second_factor.recovery_codes_left(user)}
    return render(request, "registration/second_factor.html", context, status=400 if form.errors else 200)


def _with_codes(request: HttpRequest, codes: list[str]) -> HttpResponse:
    """Render the codes in this response only, so there is no redirect before it."""
    return render(request, "registration/recovery_codes.html", {"codes": codes})
