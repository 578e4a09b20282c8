"""HTML of pictures in the admin."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from search.models import Image
from search.objects import storage
from search.objects.renditions import thumbnail_urls

LIST_SIDE = 96
"""Longest side in pixels of a picture in a list."""


def with_thumbnails(images: Sequence[Image]) -> None:
    """Set `thumbnail_url` on each image, with all URLs made in one call."""
    urls = thumbnail_urls(images)
    for image in images:
        image.thumbnail_url = urls[str(image.id)]  # type: ignore[attr-defined]


def thumbnail(image: Image) -> SafeString:
    """A small picture as an <img>, for images that went through `with_thumbnails`."""
    scale = LIST_SIDE / max(image.width, image.height)
    return format_html(
        '<img class="thumbnail" src="{}" data-ours="{}" alt="{}" title="{}" width="{}" height="{}" loading="lazy">',
        image.thumbnail_url,  # type: ignore[attr-defined]
        reverse("rendition", args=[image.id, storage.THUMBNAIL]),
        image.name,
        image.name,
        max(1, round(image.width * scale)),
        max(1, round(image.height * scale)),
    )


def editable(image: Image, field: str, shown: SafeString) -> SafeString:
    """The cell of a field, with the data attributes for editing it in place."""
    if not image.may_be_edited:  # type: ignore[attr-defined]
        return shown
    value = getattr(image, field)
    return format_html(
        '<span class="editable" data-field="{}" data-value="{}" data-url="{}" data-label="{}" data-untitled="{}">'
        "{}</span>",
        field,
        ", ".join(value) if isinstance(value, list) else value,
        reverse("admin:search_image_in_place", args=[image.pk]),
        (_("Edit the title of “%(name)s”") if field == "title" else _("Edit the tags of “%(name)s”"))
        % {"name": image.name},
        _("Untitled picture"),
        shown,
    )


def large(image: Image) -> SafeString:
    """A picture as large as the page allows, linked to its public page."""
    return format_html(
        '<a href="{}"><img class="large-picture" src="{}" alt="{}" width="{}" height="{}"></a>',
        image.get_absolute_url(),
        reverse("rendition", args=[image.id, storage.DISPLAY]),
        image.name,
        image.width,
        image.height,
    )


def visibility(image: Image) -> SafeString:
    """Whether everybody sees the picture, as a badge."""
    if image.hidden:
        return format_html('<span class="badge hidden-picture">{}</span>', _("Hidden"))
    return format_html('<span class="badge">{}</span>', _("Visible"))


def person(user: Any) -> SafeString | None:
    """A user's name; None without one."""
    return format_html("<bdi>{}</bdi>", user.get_username()) if user else None


def moment(when: dt.datetime) -> str:
    """A date and time short enough for a column."""
    return date_format(timezone.localtime(when), "SHORT_DATETIME_FORMAT")
