"""Tags: overview, vocabulary, renaming, merging, import and export."""

from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from search.admin.concurrent_edits import busy
from search.admin.model_admin_bases import Sturdy
from search.admin.tag_suggestions import is_compared, may_decide, suggestions_view, take_back_view
from search.admin.undoing import with_undo
from search.http.body_limits import LARGEST_TABLE
from search.http.forms import IN_ITS_OWN_DIRECTION
from search.http.methods import require_http_methods, require_safe
from search.http.tags_field import TagsField
from search.ingestion.table_formats import MetadataError
from search.models import Revision, TagSuggestion, VocabularyTag
from search.models.conflicts import Conflict, retried
from search.models.tagging import LONGEST_TAG, MOST_ALIASES
from search.query.tag_names import forget_names, read_names
from search.state import count_registry
from search.tagging import overview
from search.tagging.suggestion_decisions import pending
from search.tagging.tag_renaming_and_merging import merge, rename
from search.tagging.vocabulary import load_starting
from search.tagging.vocabulary_tables import read_vocabulary, write_vocabulary
from search.text.normalization import normalised_text

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    _TagForm = forms.ModelForm[VocabularyTag]
else:
    _TagForm = forms.ModelForm

count_registry.count(
    "suggestions",
    gettext_lazy("Pending suggestions"),
    lambda: pending(TagSuggestion.objects.all()).count(),
    "admin:search_vocabularytag_changelist",
)

PER_PAGE = 100
MOST_PROBLEMS = 10


class AliasesField(TagsField):
    """Comma-separated names."""

    most = MOST_ALIASES
    too_many = gettext_lazy("A tag can have at most %(limit)s aliases.")


class TagForm(_TagForm):
    aliases = AliasesField(
        label=gettext_lazy("Aliases"),
        required=False,
        widget=admin.widgets.AdminTextInputWidget,
        help_text=gettext_lazy("Other names of this tag, separated by commas."),
    )

    class Meta:
        model = VocabularyTag
        fields = ("name", "english", "korean", "phrase", "aliases", "parent")


class MergeForm(forms.Form):
    """Which tag to merge into."""

    into = forms.CharField(
        label=gettext_lazy("Merge into"),
        max_length=LONGEST_TAG,
        widget=forms.TextInput(
            attrs={"list": "known-tags", "class": "vTextField", "autocomplete": "off", **IN_ITS_OWN_DIRECTION}
        ),
        help_text=gettext_lazy("Any name of the tag to keep."),
    )

    def __init__(self, *args: Any, tag: VocabularyTag, **options: Any) -> None:
        super().__init__(*args, **options)
        self._tag = tag

    def clean_into(self) -> VocabularyTag:
        named = read_names().known(normalised_text(self.cleaned_data["into"]))
        into = VocabularyTag.objects.filter(name=named.name).first() if named else None
        if into is None:
            raise ValidationError(_("There is no tag “%(name)s”.") % {"name": self.cleaned_data["into"]})
        if into.pk == self._tag.pk:
            raise ValidationError(_("A tag can't be merged into itself."))
        return into


class TableForm(forms.Form):
    table = forms.FileField(
        label=gettext_lazy("Table"),
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.jsonl"}),
        help_text=gettext_lazy(
            "CSV, TSV or JSON Lines with any of the columns name, english, korean, phrase, aliases and "
            "parent. Existing tags are updated; tags missing from the table are kept."
        ),
    )

    def clean_table(self) -> Any:
        if self.cleaned_data["table"].size > LARGEST_TABLE:
            raise ValidationError(_("This table is too large."))
        return self.cleaned_data["table"]


@admin.register(VocabularyTag)
class TagAdmin(Sturdy):
    form = TagForm
    fields = ("name", "english", "korean", "phrase", "aliases", "parent")
    search_fields = ("name", "english", "korean")
    autocomplete_fields = ("parent",)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("start/", view(_started), name="search_vocabularytag_start"),
            path("import/", view(partial(_imported, model_admin=self)), name="search_vocabularytag_import"),
            path("vocabulary.csv", view(_exported), name="search_vocabularytag_export"),
            path("<int:pk>/merge/", view(partial(_merged, model_admin=self)), name="search_vocabularytag_merge"),
            path("<int:pk>/suggestions/", view(suggestions_view), name="search_vocabularytag_suggestions"),
            path("<int:pk>/take-back/", view(take_back_view), name="search_vocabularytag_again"),
        ]
        return [*own, *super().get_urls()]

    # Whoever may change pictures may edit the vocabulary.

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may_decide(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_decide(request)

    has_add_permission = has_change_permission = has_delete_permission = has_view_permission

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """All tags of pictures and the vocabulary, with their pending suggestions."""
        if not may_decide(request):
            raise PermissionDenied
        words = normalised_text(request.GET.get("q", ""))[:LONGEST_TAG]
        sort = request.GET.get("sort", "")
        sort = sort if sort in overview.SORTS else overview.SORTS[0]
        rows = overview.rows_of(words, sort)
        page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
        shown = list(page.object_list)
        overview.exact_pictures(shown)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Tags"),
            "opts": self.opts,
            "rows": shown,
            "page": page,
            "words": words,
            "sort": sort,
            "sorts": {
                "waiting": _("Pending suggestions"),
                "pictures": _("Pictures"),
                "name": _("Name"),
            },
            "waiting": sum(row.waiting for row in rows),
            "is_empty": not VocabularyTag.objects.exists(),
            "has_thresholds": is_compared(),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/search/vocabularytag/overview.html", context)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"name": request.GET.get("name", "")[:LONGEST_TAG]}

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save; a new name also changes all pictures with the tag."""
        if change and "name" in form.changed_data:
            request.renamed = rename(obj, obj.name, by=request.user)  # type: ignore[attr-defined]
        else:
            super().save_model(request, obj, form, change)
        forget_names()

    def message_user(self, request: HttpRequest, message: Any, *args: Any, **kwargs: Any) -> None:
        revision = getattr(request, "renamed", None)
        if revision is not None and revision.pk:
            message = with_undo(f"{message} {_renamed(revision)}", revision)
            del request.renamed  # type: ignore[attr-defined]
        super().message_user(request, message, *args, **kwargs)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        super().delete_model(request, obj)
        forget_names()

    def get_deleted_objects(
        self, objs: "QuerySet[VocabularyTag] | Any", request: HttpRequest
    ) -> tuple[list[Any], dict[Any, int], set[str], list[str]]:
        """Deleting a tag removes it and its decisions, not the tags of pictures."""
        return [str(one) for one in objs], {VocabularyTag._meta.verbose_name_plural: len(objs)}, set(), []


def _renamed(revision: Revision) -> str:
    text = ngettext(
        "The tag was renamed in %(count)s picture.", "The tag was renamed in %(count)s pictures.", revision.count
    )
    return text % {"count": f"{revision.count:,}"}


def _started(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not may_decide(request):
        raise PermissionDenied
    count = load_starting()
    forget_names()
    text = ngettext("%(count)s tag was added.", "%(count)s tags were added.", count) % {"count": f"{count:,}"}
    following = _("Suggestions appear within a few minutes.")
    messages.success(request, f"{text} {following}")
    return redirect("admin:search_vocabularytag_changelist")


@require_http_methods(["GET", "HEAD", "POST"])
def _imported(request: HttpRequest, *, model_admin: TagAdmin) -> HttpResponse:
    if not may_decide(request):
        raise PermissionDenied
    form = TableForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data["table"]
        table = file.read()
        try:
            imported = read_vocabulary(lambda: BytesIO(table), file.name)
        except MetadataError as error:
            form.add_error("table", str(error))
        else:
            forget_names()
            text = _("%(added)s tags were added and %(changed)s were changed.")
            messages.success(request, text % {"added": imported.added, "changed": imported.changed})
            for where, why in imported.problems[:MOST_PROBLEMS]:
                messages.warning(request, f"{where}: {why}")
            if (more := len(imported.problems) - MOST_PROBLEMS) > 0:
                messages.warning(request, _("… and %(count)s more.") % {"count": f"{more:,}"})
            return redirect("admin:search_vocabularytag_changelist")
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Import tags"),
        "opts": model_admin.opts,
        "form": form,
    }
    return TemplateResponse(
        request, "admin/search/vocabularytag/import.html", context, status=400 if form.errors else 200
    )


@require_safe
def _exported(request: HttpRequest) -> HttpResponse:
    if not may_decide(request):
        raise PermissionDenied
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="vocabulary.csv"'
    response.write("\ufeff")  # else Excel assumes another encoding
    write_vocabulary(response)
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def _merged(request: HttpRequest, pk: int, *, model_admin: TagAdmin) -> HttpResponse:
    if not may_decide(request):
        raise PermissionDenied
    tag = get_object_or_404(VocabularyTag, pk=pk)
    form = MergeForm(request.POST or None, tag=tag)
    if request.method == "POST" and form.is_valid():
        into = form.cleaned_data["into"]
        try:
            revision = retried(lambda: merge(tag, into, by=cast("User", request.user)))
        except ValidationError as problem:
            form.add_error("into", problem.messages)
        except Conflict:
            messages.error(request, busy())
        else:
            text = _("“%(tag)s” is now a name of “%(into)s”.") % {"tag": tag.name, "into": into.name}
            if revision.pk:
                text += " " + _renamed(revision)
            messages.success(request, with_undo(text, revision))
            return redirect(reverse("admin:search_vocabularytag_change", args=[into.pk]))
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Merge “%(tag)s” into another tag") % {"tag": tag.name},
        "opts": model_admin.opts,
        "tag": tag,
        "form": form,
        "known": VocabularyTag.objects.exclude(pk=tag.pk).order_by("name").values_list("name", flat=True),
    }
    return TemplateResponse(
        request, "admin/search/vocabularytag/merge.html", context, status=400 if form.errors else 200
    )
