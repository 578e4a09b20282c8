"""Capture data (when, where and with what pictures were taken): inline form and list filters."""

import datetime as dt
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from search.admin.concurrent_edits import in_its_own_direction
from search.admin.forms import KeepsConcurrentEdits
from search.admin.image_list_filters import MOST_CHOICES, Choice, Choices, OfTheCollection
from search.curation.metadata_import import EDITED_WITH, note_edits
from search.curation.place_lookup import place_pictures
from search.metadata.photo_metadata import FARTHEST_OFFSET
from search.models import Capture, Image, Place
from search.models.sql_statements import fetch_column
from search.places.countries import country_name
from search.views.images import may_see_hidden

if TYPE_CHECKING:
    _CaptureModelForm = forms.ModelForm[Capture]
    _StackedInline = admin.StackedInline[Capture, Image]
else:
    _CaptureModelForm, _StackedInline = forms.ModelForm, admin.StackedInline


class CaptureForm(KeepsConcurrentEdits, _CaptureModelForm):
    class Meta:
        model = Capture
        fields = ("taken", "taken_offset", "camera", "lens", "rating", "latitude", "longitude")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name, least, most in (
            ("taken_offset", -FARTHEST_OFFSET, FARTHEST_OFFSET),
            ("rating", 1, 5),
            ("latitude", -90, 90),
            ("longitude", -180, 180),
        ):
            if name in self.fields:
                self.fields[name].validators += [MinValueValidator(least), MaxValueValidator(most)]
        for name in {"camera", "lens"} & set(self.fields):
            in_its_own_direction(self.fields[name])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if (data.get("latitude") is None) != (data.get("longitude") is None) and not self.errors:
            raise forms.ValidationError(_("A location needs both a latitude and a longitude."))
        return data

    def save(self, commit: bool = True) -> Any:
        """Write what was changed, and mark it as edited by a person."""
        capture, changed = self.instance, set(self.changed_data)
        if not commit:
            return super().save(commit=False)
        # This creates the row for a picture without metadata.
        note_edits([capture.image_id], {EDITED_WITH.get(name, name) for name in changed})
        if "taken" in changed:
            capture.taken_from = Capture.TakenFrom.PERSON if capture.taken else ""
            changed.add("taken_from")
        capture.save(force_update=True, update_fields=changed)
        if changed & {"latitude", "longitude"}:
            place_pictures([capture.image_id])
        return capture


class CaptureInline(_StackedInline):
    """For users who may change the picture."""

    model = Capture
    form = CaptureForm
    can_delete = False
    verbose_name = verbose_name_plural = gettext_lazy("Date, location and camera")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_see_hidden(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("search.change_image")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("search.change_image")


class TakenFilter(OfTheCollection):
    title = gettext_lazy("date taken")
    parameter_name = "taken"

    def there(self) -> Choices:
        return [*((str(year), str(year)) for year in _years()), ("none", _("Unknown"))]

    def passing(self, queryset: QuerySet[Image], value: str) -> QuerySet[Image]:
        if value == "none":
            return queryset.exclude(pk__in=Capture.objects.exclude(taken=None).values("pk"))
        if not (value.isascii() and value.isdecimal() and 0 < int(value[:5]) < 9999):
            raise IncorrectLookupParameters
        begin, end = (dt.datetime(int(value) + more, 1, 1) for more in (0, 1))  # noqa: DTZ001 - local times of any place
        return queryset.filter(pk__in=Capture.objects.filter(taken__gte=begin, taken__lt=end).values("pk"))


def _years() -> list[int]:
    """The years in which pictures were taken, newest first, by a loose index scan."""
    return fetch_column(
        "WITH RECURSIVE years (start) AS ("
        " (SELECT date_trunc('year', max(taken)) FROM search_capture WHERE taken IS NOT NULL)"
        " UNION ALL SELECT (SELECT date_trunc('year', max(taken)) FROM search_capture WHERE taken < years.start)"
        " FROM years WHERE years.start IS NOT NULL)"
        " SELECT extract(year FROM start)::int FROM years WHERE start IS NOT NULL LIMIT %s",
        [MOST_CHOICES],
    )


class CameraFilter(OfTheCollection):
    title = gettext_lazy("camera")
    parameter_name = "camera"

    def there(self) -> Choices:
        return [(camera, camera) for camera in _cameras()]

    def passing(self, queryset: QuerySet[Image], value: str) -> QuerySet[Image]:
        return queryset.filter(pk__in=Capture.objects.filter(camera=value).values("pk"))


def _cameras() -> list[str]:
    return fetch_column(
        "WITH RECURSIVE cameras (name) AS ((SELECT min(camera) FROM search_capture WHERE camera <> '')"
        " UNION ALL SELECT (SELECT min(camera) FROM search_capture WHERE camera > cameras.name AND camera <> '')"
        " FROM cameras WHERE cameras.name IS NOT NULL)"
        " SELECT name FROM cameras WHERE name IS NOT NULL LIMIT %s",
        [MOST_CHOICES],
    )


class PlaceFilter(Choice):
    title = gettext_lazy("place")
    parameter_name = "place"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        codes = Place.objects.order_by("country").values_list("country", flat=True).distinct()
        countries = sorted((country_name(code, get_language() or "en"), code) for code in codes)
        return [("yes", _("Known")), ("no", _("Unknown")), *((code, name) for name, code in countries)]

    def passing(self, queryset: QuerySet[Image], value: str) -> QuerySet[Image]:
        if value not in ("yes", "no"):
            return queryset.filter(pk__in=Capture.objects.filter(place__country=value).values("pk"))
        known = Capture.objects.exclude(latitude=None).values("pk")
        return queryset.filter(pk__in=known) if value == "yes" else queryset.exclude(pk__in=known)
