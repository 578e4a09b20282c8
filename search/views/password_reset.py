"""Password reset by a link sent to the account's address."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import PasswordResetConfirmView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils.translation import gettext as _

from search.accounts.forms import ForgottenForm, NewPasswordForm
from search.accounts.mailing import later
from search.http.methods import require_http_methods
from search.limits import TooMany, count
from search.views.errors import error_page


@require_http_methods(["GET", "HEAD", "POST"])
def reset_password(request: HttpRequest) -> HttpResponse:
    """Send the link. Neither response nor timing reveals whether the account exists."""
    if not settings.SENDS_MAIL:
        advice = _("Ask the site administrator for a new password.")
        return error_page(request, 404, _("This site does not send e-mail."), advice)
    form = ForgottenForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return render(request, "registration/reset.html", {"form": form}, status=400 if form.errors else 200)
    address = form.cleaned_data["email"]
    options: dict[str, Any] = {"domain_override": request.get_host(), "use_https": request.is_secure()}
    try:
        count({"PASSWORDS": f"mail {address.casefold()}"})
    except TooMany:
        pass  # the address has got enough links
    else:
        later(
            lambda: form.save(
                subject_template_name="mail/reset_subject.txt", email_template_name="mail/reset.txt", **options
            )
        )
    return render(request, "registration/reset_sent.html", {"address": address})


class ChoosePassword(PasswordResetConfirmView):
    """The page of the link. It works once, within an hour, and only until the next login."""

    form_class = NewPasswordForm
    template_name = "registration/choose_password.html"
    success_url = reverse_lazy("login")

    def form_valid(self, form: Any) -> HttpResponse:
        super().form_valid(form)
        messages.success(self.request, _("Your password was changed. You can now log in with it."))
        return redirect(self.get_success_url())
