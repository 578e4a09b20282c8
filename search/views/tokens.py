"""The page for creating and revoking API tokens."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables

from search.http.forms import TokenForm
from search.http.methods import require_http_methods, require_POST
from search.models import ApiToken
from search.models.tokens import MOST_TOKENS, TooManyTokens


@login_required
@never_cache
@sensitive_variables("secret")
@require_http_methods(["GET", "HEAD", "POST"])
def api_tokens(request: HttpRequest) -> HttpResponse:
    """List the tokens, and create one. The secret is in this response only, so there is no redirect after it."""
    assert request.user.is_authenticated
    form = TokenForm(request.POST if request.method == "POST" else None)
    made, secret = None, ""
    if form.is_valid():
        try:
            made, secret = ApiToken.issue(request.user, form.cleaned_data["name"])
            form = TokenForm()
        except TooManyTokens:
            text = _("You have reached the limit of %(count)s tokens. Revoke one that you don't use.")
            form.add_error(None, text % {"count": MOST_TOKENS})
    context = {"form": form, "made": made, "secret": secret, "tokens": request.user.api_tokens.all()}
    return render(request, "search/api_tokens.html", context, status=400 if form.errors else 200)


@login_required
@require_POST
def revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    token = get_object_or_404(ApiToken, pk=token_id, user=request.user)
    token.delete()
    messages.success(request, _("The token “%(name)s” was revoked.") % {"name": token.name})
    return redirect("api-tokens")
