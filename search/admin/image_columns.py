"""Columns of the list of pictures, and facts on the page of one."""

from django.contrib import admin
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from search.admin import picture_html, stored_texts
from search.embedding import active_model
from search.models import Image, Origin
from search.models.accepted_models import accepted_names
from search.query.palettes import palette_of
from search.views.places import PlaceShown

TAGS_IN_LIST = 5


class ImageColumns:
    """What the list of pictures and the page of one show, beside the fields of the form."""

    @admin.display(description=gettext_lazy("picture"))
    def preview(self, image: Image) -> SafeString:
        return picture_html.thumbnail(image)

    @admin.display(description=gettext_lazy("title"), ordering="title")
    def name(self, image: Image) -> SafeString:
        return picture_html.editable(image, "title", format_html("<bdi>{}</bdi>", image.name))

    @admin.display(description=gettext_lazy("similarity"), empty_value="")
    def similarity(self, image: Image) -> SafeString | str | None:
        """Similarity to the query, and its relevance band."""
        if image.similarity is None:
            return _("matched by text") if image.by_words else None
        band = {"strong": _("strong"), "related": _("related")}.get(image.band or "", "")
        return format_html('<span class="similarity">{}</span> {}', f"{image.similarity:.2f}", band)

    @admin.display(description=gettext_lazy("visibility"))
    def visibility(self, image: Image) -> SafeString:
        return picture_html.visibility(image)

    @admin.display(description=gettext_lazy("tags"))
    def tag_links(self, image: Image) -> SafeString:
        links = format_html_join(
            " ",
            '<a class="tag" dir="auto" href="?{}">{}</a>',
            ((urlencode({"tag": tag}), tag) for tag in image.tags[:TAGS_IN_LIST]),
        )
        more = len(image.tags) - TAGS_IN_LIST
        shown = format_html("{} +{}", links, more) if more > 0 else links
        return picture_html.editable(image, "tags", format_html("<span data-slot>{}</span>", shown))

    @admin.display(description=gettext_lazy("file"), ordering="byte_size")
    def measures(self, image: Image) -> SafeString:
        name = getattr(image, "file_name", "")  # which the list has read
        return format_html(
            '{} <span class="nowrap">{} × {}</span> <span class="nowrap">{}</span>{}',
            image.get_format_display(),
            image.width,
            image.height,
            filesizeformat(image.byte_size),
            format_html('<bdi class="file-name">{}</bdi>', name) if name else "",
        )

    @admin.display(description=gettext_lazy("place"), empty_value="")
    def place(self, image: Image) -> str:
        place = PlaceShown(image.captured) if image.captured else None
        return place.name if place else ""

    @admin.display(description=gettext_lazy("created"), ordering="created")
    def added(self, image: Image) -> str:
        return picture_html.moment(image.created)

    @admin.display(description=gettext_lazy("uploaded by"), empty_value="")
    def uploader_link(self, image: Image) -> SafeString | None:
        if image.uploader is None:
            return None
        return format_html(
            '<a dir="auto" href="?uploader={}">{}</a>', image.uploader.pk, image.uploader.get_username()
        )

    @admin.display(description=gettext_lazy("model"))
    def model_name(self, image: Image) -> SafeString:
        if image.embedding_failure and not _is_found(image):
            return format_html(
                '<em title="{}">{}</em>', stored_texts.reason(image.embedding_failure), _("embedding failed")
            )
        if image.is_pending:
            return format_html("<em>{}</em>", _("waiting for its vector"))
        short = image.embedding_model.rstrip("/").rpartition("/")[2]
        return format_html('<span title="{}">{}</span>', image.embedding_model, short)

    @admin.display(description=gettext_lazy("model"))
    def vector_by(self, image: Image) -> str:
        """The model that made the vector, and the backend that computed it."""
        if image.embedding_failure and _is_found(image):
            text = _(
                "%(model)s. Only the centre of the picture can be found, because its file can't be read (%(reason)s)."
            )
            return text % {"model": image.embedding_model, "reason": _why_failed(image)}
        if image.embedding_failure:
            text = _("Failed (%(reason)s). Each run of manage.py embed_pending or reembed tries again.")
            return text % {"reason": _why_failed(image)}
        if image.is_pending:
            return _("None yet. The picture is waiting for its vector, which manage.py embed_pending computes.")
        return " · ".join(filter(None, [image.embedding_model, image.embedding_backend]))

    @admin.display(description=gettext_lazy("reports"), empty_value="")
    def waiting_reports(self, image: Image) -> SafeString | None:
        count: int = image.waiting_reports  # type: ignore[attr-defined]
        return _reports_link(image, _("%(count)s pending") % {"count": count}) if count else None

    @admin.display(description=gettext_lazy("picture"))
    def large_picture(self, image: Image) -> SafeString:
        return picture_html.large(image)

    @admin.display(description=gettext_lazy("colours"))
    def swatch(self, image: Image) -> SafeString:
        """The palette with shares, or the dominant colour where there is none yet."""
        shown = [(one.colour, f"{one.label} {one.share}%") for one in palette_of(image)]
        return format_html_join(
            " ",
            '<svg class="swatch" aria-hidden="true"><rect width="100%" height="100%" fill="{}"/></svg> {}',
            shown or [(image.dominant_colour, image.dominant_colour)],
        )

    @admin.display(description=gettext_lazy("original location"), empty_value="–")
    def files(self, image: Image) -> SafeString | None:
        """The sources where ingestion found it."""
        return (
            format_html_join(mark_safe("<br>"), "<bdi>{}</bdi>", ((one,) for one in Origin.addresses_of(image.pk)))
            or None
        )

    @admin.display(description=gettext_lazy("reports"), empty_value="–")
    def reports(self, image: Image) -> SafeString | None:
        """The number of reports, linked to their list."""
        count = image.reports.count()
        waiting = image.reports.filter(resolved=None).count()
        text = _("%(count)s (%(waiting)s pending)") % {"count": count, "waiting": waiting}
        return _reports_link(image, text) if count else None


def _is_found(image: Image) -> bool:
    """Whether it has its vector: then the failure was only of the windows of a wide or tall picture."""
    return image.embedding_model in accepted_names(active_model())


def _why_failed(image: Image) -> str:
    return stored_texts.reason(image.embedding_failure).rstrip(".")


def _reports_link(image: Image, text: str) -> SafeString:
    query = urlencode({"q": str(image.pk), "state": "all"})
    return format_html('<a href="{}?{}">{}</a>', reverse("admin:search_report_changelist"), query, text)
