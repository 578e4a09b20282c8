"""A pasted list of pictures: ids and URLs, more than a query string can hold."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from search.admin.image_list_filters import Choices, Filter
from search.admin.searching import note_of_pasted, read_pasted
from search.http.forms import IN_ITS_OWN_DIRECTION
from search.http.methods import require_http_methods
from search.models import Image, WorkingSet

if TYPE_CHECKING:
    from search.admin.images import ImageAdmin

MOST_PASTED = 50_000
"""Maximum of ids and URLs in one list."""
PARAMETER = "set"


class PastedForm(forms.Form):
    pasted = forms.CharField(
        label=gettext_lazy("Ids or addresses of pictures"),
        widget=forms.Textarea(
            attrs={"rows": 14, "class": "vLargeTextField", "spellcheck": "false", **IN_ITS_OWN_DIRECTION}
        ),
        help_text=gettext_lazy(
            "One per line, or separated by spaces or commas. Anything else is reported as not found."
        ),
    )

    def clean_pasted(self) -> str:
        text: str = self.cleaned_data["pasted"]
        if len(text.split()) > MOST_PASTED:
            raise forms.ValidationError(_("You can paste at most %(limit)s at once.") % {"limit": f"{MOST_PASTED:,}"})
        return text


@require_http_methods(["GET", "HEAD", "POST"])
def paste_view(request: HttpRequest, *, model_admin: "ImageAdmin") -> HttpResponse:
    """Show the form, or save the list and redirect to its pictures."""
    if not model_admin.has_view_or_change_permission(request):
        raise PermissionDenied
    form = PastedForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        ids, missing = read_pasted(form.cleaned_data["pasted"])
        kept = WorkingSet.keep(request.user, ids, missing=missing)
        return redirect(f"{reverse('admin:search_image_changelist')}?{urlencode({PARAMETER: str(kept.pk)})}")
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Paste a list of pictures"),
        "opts": model_admin.opts,
        "form": form,
    }
    status = 400 if form.errors else 200
    return TemplateResponse(request, "admin/search/image/paste.html", context, status=status)


class SetFilter(Filter):
    """The pictures of a pasted list."""

    title = gettext_lazy("pasted list")
    parameter_name = PARAMETER

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return []

    def has_output(self) -> bool:
        return self.value() is not None

    def title_of(self, value: str) -> str:
        return _("This list")

    def queryset(self, request: HttpRequest, queryset: QuerySet[Image]) -> QuerySet[Image]:
        value = self.value()
        if value is None:
            return queryset
        kept = WorkingSet.of(request.user, value)
        if kept is None:
            raise IncorrectLookupParameters
        ids = kept.present()
        setattr(request, _NOTE, note_of_pasted(len(ids), kept.missing, kept.missing_count))
        return queryset.filter(pk__any_of=ids)


_NOTE = "note_of_the_set"


def note_of_the_set(request: HttpRequest) -> str:
    """Return the note on the pasted list of this request; "" for none."""
    return getattr(request, _NOTE, "")
