"""Forms that arrive after the login has ended."""

from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext as _

from search.http.unsent_forms import unsent


class EndedLogins(MiddlewareMixin):
    """Shows what was typed instead of the login form, where a form arrives after the login has ended."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if response.status_code != HTTPStatus.FOUND or request.method != "POST" or request.user.is_authenticated:
            return response
        to = urlsplit(response.headers["Location"])
        back = parse_qs(to.query).get("next", [request.path])[0]
        is_login = to.path in {reverse("login"), reverse("admin:login")} and urlsplit(back).path == request.path
        form = unsent(request) if is_login and request.path != to.path else None
        if form is None:
            return response
        from search.views.errors import error_page  # noqa: PLC0415 - which imports the middleware

        return error_page(
            request,
            403,
            _("You are no longer logged in."),
            _("Nothing was saved, but this page keeps what you typed. Log in in a new tab, then send it from here."),
            again=form,
            login=f"{reverse('login')}?next={reverse('account')}",
        )
