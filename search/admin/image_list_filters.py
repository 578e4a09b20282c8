"""Filters of the list of pictures. Their choices are few, whatever the number of pictures."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db.models import Exists, Min, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from search.admin.model_admin_bases import MOST_COUNTED
from search.embedding import active_model
from search.http.id_parsing import row_id
from search.models import Image, Report
from search.models.arrivals import State, state
from search.models.sql_statements import fetch_all, fetch_value
from search.query.tag_names import tag_names
from search.text.normalization import normalised_text

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

MOST_CHOICES = 50
SAMPLE = 50_000
"""Approximate maximum of rows for counting tags, half a second; with more rows, a sample is counted."""

Choices: TypeAlias = "list[tuple[str, str | _StrPromise]]"


class _Narrowing(admin.SimpleListFilter):
    """A filter that narrows the list by its chosen value, if there is one."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset if value is None else self.passing(queryset, value)

    def passing(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        raise NotImplementedError


class Filter(_Narrowing):
    """A filter whose chosen value is always among the choices, even if it is not one of the first."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        value = self.value()
        if value is not None and value not in {choice for choice, _title in self.lookup_choices}:
            self.lookup_choices.append((value, self.title_of(value)))
        return super().choices(changelist)

    def title_of(self, value: str) -> str:
        return value


class OfTheCollection(Filter):
    """A filter whose choices are read from the collection: cached while it is unchanged, for a minute at most."""

    is_shown = True

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        # An action is answered by a redirect or by a page of its own.
        self.is_shown = not (request.method == "POST" and "index" in request.POST and "_save" not in request.POST)
        if not self.is_shown:
            return []
        if not hasattr(request, "collection"):
            request.collection = state()  # type: ignore[attr-defined]
        at: State = request.collection  # type: ignore[attr-defined]
        key = f"admin-choices-{self.parameter_name}-{get_language()}-{at.arrived}-{at.changed}"
        found: Choices | None = cache.get(key)
        if found is None:
            found = [(value, str(title)) for value, title in self.there()]
            cache.set(key, found, 60)
        return found

    def has_output(self) -> bool:
        return not self.is_shown or super().has_output()

    def there(self) -> Choices:
        raise NotImplementedError


class Choice(_Narrowing):
    """A filter with few values. Others are rejected, instead of being ignored."""

    def value(self) -> str | None:
        value = super().value()
        if value is not None and value not in {choice for choice, _title in self.lookup_choices}:
            raise IncorrectLookupParameters
        return value


class HiddenFilter(Choice):
    title = _("visibility")
    parameter_name = "hidden"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("no", _("Visible")), ("yes", _("Hidden"))]

    def passing(self, queryset: QuerySet[Image], value: str) -> QuerySet[Image]:
        return queryset.filter(hidden=value == "yes")


class ReportedFilter(Choice):
    title = _("reports")
    parameter_name = "reported"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("pending", _("Reported and unresolved"))]

    def passing(self, queryset: QuerySet[Image], value: str) -> QuerySet[Image]:
        return queryset.filter(pk__in=Report.objects.filter(resolved=None).values("image"))


class TagFilter(OfTheCollection):
    title = _("tag")
    parameter_name = "tag"

    def value(self) -> str | None:
        value = super().value()
        return None if value is None else normalised_text(value)

    def there(self) -> Choices:
        return [(tag, f"{tag} ({count})") for tag, count in most_common_tags()]

    def passing(self, queryset: QuerySet[Image], value: str) -> QuerySet[Image]:
        return queryset.filter(tags__overlap=list(tag_names().found_by(value)))


def most_common_tags() -> list[tuple[str, str]]:
    """Return the most common tags, each with its number of pictures, "≈" before an estimate from a sample."""
    # A planner estimate; -1 before there are statistics.
    rows = fetch_value("SELECT reltuples FROM pg_class WHERE oid = 'search_image'::regclass")
    return _count_tags(min(1, SAMPLE / rows) if rows > 0 else 1)


def _count_tags(share: float) -> list[tuple[str, str]]:
    tags = fetch_all(
        "SELECT tag, count(*) FROM search_image TABLESAMPLE SYSTEM (%s), unnest(tags) AS tag"
        " GROUP BY tag ORDER BY count(*) DESC, tag LIMIT %s",
        [share * 100, MOST_CHOICES],
    )
    if share == 1:
        return [(tag, f"{count:,}") for tag, count in tags]
    return [(tag, f"≈{round(count / share, -2):,.0f}") for tag, count in tags]


class ModelFilter(OfTheCollection):
    title = _("model")
    parameter_name = "model"

    def there(self) -> Choices:
        active = active_model()
        others = [(model, model) for model in _models() if model != active]
        waiting = Image.objects.pending().order_by().values("pk")[: MOST_COUNTED + 1].count()
        count = f"{MOST_COUNTED:,}+" if waiting > MOST_COUNTED else f"{waiting:,}"
        pending = [("none", gettext("None yet (%(count)s)") % {"count": count})] if waiting else []
        if Image.objects.pending().exclude(embedding_failure="").exists():
            pending.append(("failed", gettext("None (failed)")))
        return [(active, gettext("%(model)s (active)") % {"model": active}), *others, *pending]

    def passing(self, queryset: QuerySet[Image], value: str) -> QuerySet[Image]:
        if value == "failed":
            return queryset.filter(embedding_model="").exclude(embedding_failure="")
        return queryset.filter(embedding_model="" if value == "none" else value)


def _models() -> list[str]:
    """The models of shown pictures, by a loose index scan: DISTINCT would read every row."""
    found: list[str] = []
    while len(found) < MOST_CHOICES:
        rest = Image.objects.shown().filter(embedding_model__gt=found[-1] if found else "")
        following = rest.aggregate(first=Min("embedding_model"))["first"]
        if following is None:
            break
        found.append(following)
    return found


class UploaderFilter(OfTheCollection):
    title = _("uploader")
    parameter_name = "uploader"

    def there(self) -> Choices:
        users = get_user_model().objects.filter(Exists(Image.objects.filter(uploader=OuterRef("pk"))))
        names = users.order_by("username").values_list("pk", "username")[:MOST_CHOICES]
        return [*((str(key), name) for key, name in names), ("none", _("No one (ingested)"))]

    def title_of(self, value: str) -> str:
        user = get_user_model().objects.filter(pk=_number(value)).first()
        return user.get_username() if user else value

    def passing(self, queryset: QuerySet[Image], value: str) -> QuerySet[Image]:
        return queryset.filter(uploader=None) if value == "none" else queryset.filter(uploader=_number(value))


def _number(value: str) -> int:
    number = row_id(value)
    if number is None:
        raise IncorrectLookupParameters
    return number


class StateFilter(Choice):
    """State of reports: pending by default."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("resolved", _("Resolved")), ("all", _("All"))]

    def choices(self, changelist: Any) -> Iterator[Any]:
        for value, title in [(None, _("Pending")), *self.lookup_choices]:
            yield {
                "selected": self.value() == value,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": title,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Report]) -> QuerySet[Report]:
        if self.value() == "all":
            return queryset
        return queryset.filter(resolved__isnull=self.value() != "resolved")
