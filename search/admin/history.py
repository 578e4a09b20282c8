"""The history of changes, with undo."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from search.admin import picture_html
from search.admin.model_admin_bases import ReadOnly, SturdyList
from search.admin.undoing import undo_button, undo_view
from search.curation import is_of_deletion
from search.models import Album, Capture, Edit, Image, Revision
from search.models.albums import Visibility
from search.models.sql_statements import fetch_all

SAMPLES = 4
SHOWN = 100
"""Maximum of pictures on the page of one revision."""
LONGEST_VALUE = 300
_NAMES = {
    "trashed": gettext_lazy("in the trash"),
    "albums": gettext_lazy("albums"),
    "visibility": gettext_lazy("visible to"),
}


class RevisionList(SturdyList):
    def get_results(self, request: HttpRequest) -> None:
        """Load the rows of one page, with some pictures of each."""
        super().get_results(request)
        revisions = self.result_list = list(self.result_list)
        samples = sampled([revision.pk for revision in revisions])
        for revision in revisions:
            revision.samples = samples[revision.pk]
            revision.button = _button(revision, request.user)


def sampled(revisions: Sequence[int]) -> dict[int, list[Image]]:
    """Return a few pictures of each of these revisions, with thumbnails."""
    rows = fetch_all(
        "SELECT given.id, sample.image_id FROM unnest(%s::bigint[]) AS given (id) CROSS JOIN LATERAL"
        " (SELECT image_id FROM search_edit WHERE revision_id = given.id ORDER BY image_id LIMIT %s) AS sample",
        [list(revisions), SAMPLES],
    )
    images = Image.objects.for_lists().in_bulk({image_id for _revision, image_id in rows})
    picture_html.with_thumbnails(list(images.values()))
    found: defaultdict[int, list[Image]] = defaultdict(list)
    for revision, image_id in rows:
        if image_id in images:
            found[revision].append(images[image_id])
    return found


@admin.register(Revision)
class RevisionAdmin(ReadOnly):
    actions = None
    search_fields = ("by__username", "search")
    search_help_text = gettext_lazy("A user name, or the text of the search that found the pictures.")
    list_select_related = ("by",)
    list_display = ("what", "samples", "many", "who", "when", "where", "undoing")
    list_display_links = ("what",)
    list_filter: ClassVar = (("by", admin.RelatedOnlyFieldListFilter), "kind", "created")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[SturdyList]:
        return RevisionList

    def get_urls(self) -> list[URLPattern]:
        undo = path("<int:pk>/undo/", self.admin_site.admin_view(undo_view), name="search_revision_undo")
        # Nothing is added, changed or deleted here, and revisions have no history.
        return [undo, *(one for one in super().get_urls() if (one.name or "").endswith(("_changelist", "_change")))]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"title": _("History"), **(extra_context or {})})

    # Permissions

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("search.change_image") or request.user.has_perm("search.delete_image")

    # Display

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        """The page of one revision: the changes of each of its pictures."""
        edits = list(obj.edits.select_related("image").defer("image__embedding")[:SHOWN])
        picture_html.with_thumbnails([edit.image for edit in edits])
        context |= {
            "title": describe(obj),
            "subtitle": None,
            "opts": self.opts,
            "revision": obj,
            "found_by": _found_by(obj),
            "rows": [(edit, picture_html.thumbnail(edit.image), changes_of(edit)) for edit in edits],
            "more": 0 if is_of_deletion(obj) else max(0, obj.count - len(edits)),
            "button": _button(obj, request.user),
        }
        return TemplateResponse(request, "admin/search/revision/change_form.html", context)

    @admin.display(description=gettext_lazy("change"))
    def what(self, revision: Revision) -> str:
        return describe(revision)

    @admin.display(description=gettext_lazy("pictures"))
    def samples(self, revision: Revision) -> SafeString:
        images: list[Image] = revision.samples  # type: ignore[attr-defined]
        each = format_html_join("", "{}", ((picture_html.thumbnail(image),) for image in images))
        return format_html('<span class="samples">{}</span>', each)

    @admin.display(description=gettext_lazy("pictures changed"), ordering="count")
    def many(self, revision: Revision) -> str:
        return f"{revision.count:,}"

    @admin.display(description=gettext_lazy("user"), empty_value="–")
    def who(self, revision: Revision) -> SafeString | None:
        return picture_html.person(revision.by)

    @admin.display(description=gettext_lazy("date"), ordering="pk")
    def when(self, revision: Revision) -> str:
        return picture_html.moment(revision.created)

    @admin.display(description=gettext_lazy("search"))
    def where(self, revision: Revision) -> SafeString | str:
        return _found_by(revision)

    @admin.display(description=gettext_lazy("undo"))
    def undoing(self, revision: Revision) -> str:
        if revision.undone_by_id:
            return _("Undone")
        button: str = revision.button  # type: ignore[attr-defined]
        return button


def _button(revision: Revision, user: Any) -> SafeString | str:
    """The undo button of a revision; "" where it is undone, or `user` may not."""
    if revision.undone_by_id is not None or not revision.may_be_undone_by(user):
        return ""
    return undo_button(revision, _("Redo") if revision.kind == Revision.Kind.UNDO else "")


def describe(revision: Revision) -> str:
    """Describe a revision in a line: "Tags added: sea"."""
    if revision.kind != Revision.Kind.DESCRIBE:
        return str(revision)
    return f"{revision}: {', '.join(labels(revision.fields))}"


def labels(names: Iterable[str]) -> list[str]:
    """Return the labels of these fields."""
    found = []
    for name in names:
        model: Any = Capture if name in {field.name for field in Capture._meta.fields} else Image
        found.append(str(_NAMES.get(name) or model._meta.get_field(name).verbose_name))
    return found


def changes_of(edit: Edit) -> list[tuple[str, str, str]]:
    """Return the changes of one picture: label, value before and after, formatted."""
    names = [name for name, value in edit.before.items() if name != "edited" and value != edit.after[name]]
    return [
        (label, _shown(_titled(name, edit.before[name])), _shown(_titled(name, edit.after[name])))
        for name, label in zip(names, labels(names), strict=True)
    ]


def _titled(name: str, value: Any) -> Any:
    """Return the titles of albums and the label of a visibility; other values unchanged."""
    if name == "visibility":
        return Visibility(value).label
    if name != "albums":
        return value
    titles = dict(Album.objects.filter(pk__in=value).values_list("pk", "title"))
    return [titles.get(one, _("an album that no longer exists")) for one in value]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    text = ", ".join(value) if isinstance(value, list) else "" if value is None else str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _found_by(revision: Revision) -> SafeString | str:
    """The origin of a revision, linked to the search that found the pictures."""
    name = str(revision.get_door_display())
    ways = {Revision.Door.PAGE: "search", Revision.Door.ADMIN: "admin:search_image_changelist"}
    if revision.search and revision.door in ways:
        query = revision.search[:2_000]
        return format_html(
            '<a dir="auto" href="{}?{}">{}</a>', reverse(ways[Revision.Door(revision.door)]), query, name
        )
    return format_html("{} <bdi>{}</bdi>", name, revision.search) if revision.search else name


def history_of(request: HttpRequest, image: Image) -> list[dict[str, Any]]:
    """Return the changes of one picture, latest first."""
    edits = Edit.objects.filter(image=image).select_related("revision__by").order_by("-revision_id")[:SHOWN]
    return [
        {"revision": edit.revision, "told": describe(edit.revision), "changes": changes_of(edit)} for edit in edits
    ]
