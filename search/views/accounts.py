"""Accounts: sign up, log in and out, change password and e-mail address; Django's own, with our pages."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import get_user_model, login
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from search.accounts import second_factor
from search.accounts.backend import counted_try
from search.accounts.devices import remember_device
from search.accounts.forms import ChangePasswordForm, CodeForm, EmailForm, LoginForm, SignUpForm
from search.http.methods import require_http_methods, require_safe
from search.limits import count
from search.models import SavedSearch, SignUp
from search.models.conflicts import is_overtaken
from search.models.sign_ups import MOST_WAITING
from search.views.errors import error_page


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    if settings.SIGN_UP == "off":
        advice = _("Ask the site administrator for one, or log in with an existing account.")
        return error_page(request, 404, _("You can't create a new account here."), advice)
    if request.user.is_authenticated:
        return redirect("search")
    must_wait = settings.SIGN_UP == "approval"
    if must_wait and SignUp.waiting().count() >= MOST_WAITING:
        advice = _("Try again in a few days, when the curators have decided about them.")
        return error_page(
            request, 503, _("Too many sign-ups are waiting for approval, so new ones are not accepted."), advice
        )
    form = SignUpForm(request.POST if request.method == "POST" else None)
    if form.is_valid() and (user := _made(form, must_wait=must_wait)):
        if must_wait:
            return render(request, "registration/waiting.html", {"is_told": settings.SENDS_MAIL and user.email})
        login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
        messages.success(request, _("Welcome! You can now add pictures."))
        response = HttpResponseRedirect(_next_page(request) or reverse("search"))
        remember_device(request, response, user.get_username())
        return response
    context = {"form": form, "next": _next_page(request), "must_wait": must_wait}
    return render(request, "registration/sign_up.html", context, status=400 if form.errors else 200)


def _made(form: SignUpForm, *, must_wait: bool) -> User | None:
    """Return the new account; None where the name was taken meanwhile, which the form then says."""
    try:
        with transaction.atomic():
            user = form.save(commit=False)
            user.is_active = not must_wait
            user.save()
            if must_wait:
                SignUp.objects.create(user=user, language=get_language() or settings.LANGUAGE_CODE)
            return user
    except IntegrityError as error:
        if not is_overtaken(error):
            raise
    form.full_clean()  # finds the other account now
    return None


def _next_page(request: HttpRequest) -> str:
    """Return the URL on this site that the user was going to, or ""."""
    page = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(page, {request.get_host()}, require_https=request.is_secure())
    return page if safe else ""


class LogIn(LoginView):
    """The login of the pages and the admin, so that both count the same attempts."""

    form_class = LoginForm
    redirect_authenticated_user = True

    def get_redirect_url(self, request: HttpRequest | None = None) -> str:
        page = str(super().get_redirect_url())
        return "" if page.partition("?")[0] == self.request.path else page

    def form_valid(self, form: Any) -> HttpResponse:
        user, remember = form.get_user(), form.cleaned_data["remember"]
        if not second_factor.has_one(user):
            return logged_in(self.request, user, self.get_success_url(), remember=remember)
        # A new session: the current one may hold data of another visitor.
        self.request.session.flush()
        second_factor.wait_for_code(self.request.session, user, remember=remember)
        return redirect(f"{reverse('enter-code')}?{urlencode({'next': self.get_success_url()})}")


def logged_in(request: HttpRequest, user: User, page: str, *, remember: bool) -> HttpResponse:
    login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
    # 0: the session ends with the browser; None: SESSION_COOKIE_AGE, two weeks.
    request.session.set_expiry(None if remember else 0)
    if second_factor.is_missing(user):
        messages.warning(request, _("Curators need two-factor login here. Set it up to continue."))
        page = reverse("second-factor")
    response = HttpResponseRedirect(page)
    remember_device(request, response, user.get_username())
    return response


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def enter_code(request: HttpRequest) -> HttpResponse:
    """The second page of the login, for users with a second factor."""
    page = _next_page(request) or reverse("search")
    waiting = second_factor.waiting_user(request.session)
    if waiting is None:
        # Not `redirect`, which would look up a view by a name from the request.
        there = page if request.user.is_authenticated else f"{reverse('login')}?{urlencode({'next': page})}"
        return HttpResponseRedirect(there)
    user, noted = waiting
    form = CodeForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        # The password is known already, so codes are also counted per account, for longer.
        with counted_try(request, user.get_username()) as tried:
            counted = count({"CODES": f"user {user.pk}"})
            if second_factor.is_right(user, form.cleaned_data["code"]):
                tried.succeeded()
                counted.give_back()
                second_factor.stop_waiting(request.session)
                return logged_in(request, user, page, remember=noted["remember"])
        form.add_error(
            "code", _("This code is wrong or has been used before. The app shows a new one every 30 seconds.")
        )
    return render(request, "registration/code.html", {"form": form, "next": page}, status=400 if form.errors else 200)


@login_required
@require_safe
def account(request: HttpRequest) -> HttpResponse:
    """The user's account, and links to change it."""
    assert request.user.is_authenticated
    context = {
        "saved": SavedSearch.objects.filter(user=request.user).count(),
        "sends_mail": settings.SENDS_MAIL,
        "has_second_factor": second_factor.has_one(request.user),
    }
    return render(request, "registration/account.html", context)


@sensitive_post_parameters()
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def email(request: HttpRequest) -> HttpResponse:
    """The address for password resets. It asks for the password: whoever sets the address can take over the
    account."""
    assert request.user.is_authenticated
    if not settings.SENDS_MAIL:
        return error_page(request, 404, _("This site does not send e-mail."), _("No e-mail address is needed."))
    data = request.POST if request.method == "POST" else None
    form = EmailForm(request, data, initial={"email": request.user.email})
    if form.is_valid():
        get_user_model().objects.filter(pk=request.user.pk).update(email=form.cleaned_data["email"])
        messages.success(request, _("Your e-mail address was changed."))
        return redirect("account")
    return render(request, "registration/email.html", {"form": form}, status=400 if form.errors else 200)


class ChangePassword(PasswordChangeView):
    form_class = ChangePasswordForm
    success_url = reverse_lazy("search")

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "request": self.request}

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        messages.success(self.request, _("Your password was changed."))
        return response
