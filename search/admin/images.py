"""The admin of pictures: search, details, tags, visibility and deletion."""

import uuid
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.views.main import SEARCH_VAR
from django.db.models import ForeignKey, Model, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from search.admin import (
    duplicates,
    history,
    image_actions,
    in_place_editing,
    model_comparison,
    pasted_picture_list,
    picture_html,
    searching,
)
from search.admin.capture_metadata import CameraFilter, CaptureInline, PlaceFilter, TakenFilter
from search.admin.forms import ImageForm, TagActionForm, UserSelect
from search.admin.image_columns import ImageColumns
from search.admin.image_list import VIEW, ImageList, next_in_list, view_links
from search.admin.image_list_filters import HiddenFilter, ModelFilter, ReportedFilter, TagFilter, UploaderFilter
from search.admin.image_list_search_filters import LackingFilter, MatchesFilter, ModeFilter, OutlierFilter
from search.admin.model_admin_bases import LONGEST_QUERY_STRING, LongList, SturdyList, image_ids
from search.admin.pasted_picture_list import SetFilter
from search.admin.undoing import with_undo
from search.curation import Trash, change, record_since
from search.curation.metadata_import import CAPTIONS, note_edits
from search.curation.snapshots import current
from search.models import Image, Report, Revision

if TYPE_CHECKING:
    from django.contrib.auth.models import User

NEXT = "next_in_the_list"
NAMED_BEFORE_DELETION = 20


@admin.register(Image)
class ImageAdmin(ImageColumns, LongList):
    form = ImageForm
    inlines = (CaptureInline,)
    action_form = TagActionForm
    actions = (
        image_actions.hide,
        image_actions.show,
        image_actions.add_tags,
        image_actions.remove_tags,
        image_actions.delete_selected,
    )
    list_select_related = ("uploader", "capture__place")
    list_display = (
        "preview",
        "name",
        "visibility",
        "tag_links",
        "measures",
        "place",
        "uploader_link",
        "model_name",
        "added",
        "waiting_reports",
    )
    list_display_links = ("preview", "name")
    list_filter: ClassVar = (
        MatchesFilter,
        ModeFilter,
        HiddenFilter,
        LackingFilter,
        OutlierFilter,
        SetFilter,
        ReportedFilter,
        TagFilter,
        UploaderFilter,
        "created",
        TakenFilter,
        CameraFilter,
        PlaceFilter,
        "format",
        ModelFilter,
    )
    search_fields = ("title", "description", "author", "tags")
    search_help_text = gettext_lazy(
        "What pictures show, as on the search page, with filters such as is:hidden or taken:2023; or "
        "an author, a file name, or ids and addresses of pictures."
    )
    readonly_fields = (
        "large_picture",
        "id",
        "measures",
        "byte_size",
        "swatch",
        "vector_by",
        "files",
        "created",
        "updated",
        "reports",
    )
    fieldsets = (
        (None, {"fields": ("large_picture", "title", "description", "tags", "hidden", "reports")}),
        (gettext_lazy("Origin"), {"fields": ("author", "licence", "source_link", "uploader", "files")}),
        (
            gettext_lazy("Derived from the file"),
            {"fields": ("id", "measures", "swatch", "vector_by", "created", "updated")},
        ),
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[SturdyList]:
        return ImageList

    def get_list_display(self, request: HttpRequest) -> Any:
        shown = super().get_list_display(request)
        if not request.GET.get(SEARCH_VAR):
            return shown
        return [one for name in shown for one in ((name, "similarity") if name == "name" else (name,))]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """As a list or a grid; the choice is kept in the session."""
        if (chosen := request.GET.get("view")) and request.method == "GET":
            request.session[VIEW] = "grid" if chosen == "grid" else "list"
            rest = request.GET.copy()
            del rest["view"]
            return redirect(f"{request.path}?{rest.urlencode()}".rstrip("?"))
        context = {"is_grid": request.session.get(VIEW) == "grid", "view_links": view_links(request)}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        in_place_view = partial(in_place_editing.in_place_view, model_admin=self)
        return [
            path("compare/", view(model_comparison.compare_view), name="search_image_compare"),
            path("duplicates/", view(duplicates.duplicates_view), name="search_image_duplicates"),
            path("duplicates/exact/", view(duplicates.exact_view), name="search_image_duplicates_exact"),
            path("paste/", view(partial(pasted_picture_list.paste_view, model_admin=self)), name="search_image_paste"),
            path("<uuid:image_id>/in-place/", view(in_place_view), name="search_image_in_place"),
            path("compare/judge/", view(model_comparison.judge_view), name="search_image_judge"),
            path("compare/judgements.csv", view(model_comparison.judgements_view), name="search_image_judgements"),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Image]:
        return super().get_queryset(request).filter(trashed=None).defer("embedding")

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Image | None:
        """Return an image, also by an id that it had before its file changed."""
        get_object = super().get_object
        found = (get_object(request, str(image_id), from_field) for image_id in image_ids(object_id))
        return next((image for image in found if image), None)

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> "ModelChoiceField[Any] | None":
        return super().formfield_for_foreignkey(
            db_field, request, **kwargs, widget=UserSelect(db_field, self.admin_site)
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Always False: pictures are added by upload or `manage.py ingest`, and a row never exists without its
        object."""
        return False

    def delete_model(self, request: HttpRequest, obj: Image) -> None:
        request.trashed = change([obj.pk], Trash(), by=request.user, door=Revision.Door.ADMIN)  # type: ignore[attr-defined]

    def log_deletions(self, request: HttpRequest, queryset: "QuerySet[Image] | Sequence[Image]") -> None:  # type: ignore[override]
        """Does nothing: the deletion is recorded as a revision."""

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().delete_view(request, object_id, {"trash_days": settings.TRASH_DAYS, **(extra_context or {})})

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponse:
        if not image_actions.report_trash(self, request, request.trashed):  # type: ignore[attr-defined]
            image_actions.warn_of_files(self, request, [uuid.UUID(str(obj_id))])
        kept = {"preserved_filters": self.get_preserved_filters(request), "opts": self.opts}
        return redirect(add_preserved_filters(kept, reverse("admin:search_image_changelist")))  # type: ignore[arg-type]

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The revisions of the picture, which can be undone; below, older entries of Django's log."""
        image = self.get_object(request, object_id)
        context = {"revisions": history.history_of(request, image) if image else []}
        answer: HttpResponse = super().history_view(request, str(image.pk) if image else object_id, context)
        return answer

    def get_formset_kwargs(self, request: HttpRequest, obj: Any, inline: Any, prefix: str) -> dict[str, Any]:
        """Let scripts post the picture's fields without the inline form, which then changes nothing."""
        kwargs = super().get_formset_kwargs(request, obj, inline, prefix)
        if "data" in kwargs and f"{prefix}-TOTAL_FORMS" not in kwargs["data"]:
            data = kwargs["data"].copy()
            data.update({f"{prefix}-TOTAL_FORMS": "0", f"{prefix}-INITIAL_FORMS": "0"})
            kwargs["data"] = data
        return kwargs

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        """Save; the revision follows in `save_related`, together with the capture data."""
        if "_next" in request.POST:  # before saving, which may remove it from the list
            setattr(request, NEXT, next_in_list(self, request, obj.pk))
        request.before = current([obj.pk])  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)
        note_edits([obj.pk], {"tags", *CAPTIONS}.intersection(form.changed_data))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        revision = Revision(kind=Revision.Kind.DESCRIBE, by=cast("User", request.user), door=Revision.Door.ADMIN)
        record_since(request.before, revision)  # type: ignore[attr-defined]
        request.revision = revision  # type: ignore[attr-defined]

    def log_change(self, request: HttpRequest, obj: Image, message: Any) -> Any:
        """Does nothing: the revision records it."""

    def message_user(self, request: HttpRequest, message: Any, *args: Any, **kwargs: Any) -> None:
        """Add an undo button to the message that a form was saved."""
        revision = getattr(request, "revision", None)
        if revision is not None and (args or kwargs.get("level")) in ((messages.SUCCESS,), messages.SUCCESS):
            message = with_undo(message, revision)
        super().message_user(request, message, *args, **kwargs)

    def response_change(self, request: HttpRequest, obj: Image) -> HttpResponse:
        """After "save and next", redirect to the form of the next picture in the list."""
        if "_next" not in request.POST:
            return super().response_change(request, obj)
        following = getattr(request, NEXT, None)
        filters = request.GET.get("_changelist_filters", "")
        if following is None:
            self.message_user(request, _("That was the last picture of the list."), messages.SUCCESS)
            return redirect(f"{reverse('admin:search_image_changelist')}?{filters}".rstrip("?"))
        self.message_user(
            request, _("“%(name)s” was saved. This is the next picture.") % {"name": obj}, messages.SUCCESS
        )
        asked = f"?{urlencode({'_changelist_filters': filters})}" if filters else ""
        return redirect(reverse("admin:search_image_change", args=[following]) + asked)

    def view_on_site(self, obj: Image) -> str:
        return obj.get_absolute_url()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Image], search_term: str
    ) -> tuple[QuerySet[Image], bool]:
        if len(search_term) > LONGEST_QUERY_STRING:
            return queryset.none(), False
        return searching.search(request, queryset, search_term), False

    def get_deleted_objects(
        self, objs: "QuerySet[Image] | Sequence[Image]", request: HttpRequest
    ) -> tuple[list[Any], dict[Any, int], set[str], list[str]]:
        """Return the first pictures and how many more; deleting a picture includes its reports."""
        images = list(objs[:NAMED_BEFORE_DELETION])
        picture_html.with_thumbnails(images)
        named: list[Any] = [
            format_html(
                '{} <a href="{}">{}</a>',
                picture_html.thumbnail(image),
                reverse("admin:search_image_change", args=[image.pk]),
                image,
            )
            for image in images
        ]
        count = objs.count() if isinstance(objs, QuerySet) else len(objs)
        if count > len(images):
            named.append(_("… and %(count)s more.") % {"count": f"{count - len(images):,}"})
        counts = {Image._meta.verbose_name_plural: count}
        if reports := Report.objects.filter(image__in=objs).count():
            counts[Report._meta.verbose_name_plural] = reports
        return named, counts, set(), []
