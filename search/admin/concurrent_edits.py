"""Safe edits of rows that are changed concurrently: by workers that compute vectors, users, other curators."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.db import connection, transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from search.http.forms import IN_ITS_OWN_DIRECTION
from search.models.conflicts import Conflict, locked, retried

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin

_IS_LOCKED_OUT = "is_kept_out"
"""Attribute of a request whose form can't be saved, since another transaction holds the row."""


def in_its_own_direction(field: forms.Field) -> None:
    """Give the text in a field its own direction; addresses and numbers have one anyway."""
    if isinstance(field.widget, (forms.TextInput, forms.Textarea)):
        field.widget.attrs = {**IN_ITS_OWN_DIRECTION, **field.widget.attrs}


def busy() -> str:
    return _(
        "Someone else is changing this, or its vector is being computed. Nothing was changed. Try again in a moment."
    )


class Shared(_ModelAdmin):
    """Forms write only changed fields, to the row's current state.

    A POST locks its row first. If another transaction holds it for long, the user gets an error and keeps the input;
    deadlocks are retried.
    """

    def with_patience(
        self, request: HttpRequest, work: Callable[[], HttpResponse], otherwise: Callable[[], HttpResponse]
    ) -> HttpResponse:
        """Return `work()`, or `otherwise()` with an error message on a lock conflict."""
        if request.method != "POST":  # it changes nothing, and would redirect to itself
            return work()
        try:
            return _with_retries(request, work)
        except Conflict:
            self.message_user(request, busy(), messages.ERROR)
            return otherwise()

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        def work() -> HttpResponse:
            answer: HttpResponse = super(Shared, self).changeform_view(request, object_id, form_url, extra_context)
            return answer

        try:
            return _with_retries(request, work)
        except Conflict:
            if connection.in_atomic_block:
                raise
        # The same once more without the lock: the form is invalid, and shows the input.
        setattr(request, _IS_LOCKED_OUT, True)
        response = work()
        if response.status_code == HTTPStatus.OK:  # not for a row that is gone
            response.status_code = HTTPStatus.CONFLICT
        return response

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Return a field whose text has its own direction."""
        field: Any = super().formfield_for_dbfield(db_field, request, **options)
        if isinstance(field, forms.CharField):
            in_its_own_direction(field)
        return field

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return self.with_patience(
            request,
            lambda: super(Shared, self).delete_view(request, object_id, extra_context),
            lambda: redirect(request.get_full_path()),
        )

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found: Any = super().get_object(request, object_id, from_field)
        is_written = request.method == "POST" and connection.in_atomic_block and not hasattr(request, _IS_LOCKED_OUT)
        if found is None or not is_written:
            return found
        # Its current state: while waiting for the lock it may have changed, or gone.
        rows = locked(self.get_queryset(request).filter(pk=found.pk))
        return rows[0] if rows else None

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        return _refusing(form) if hasattr(request, _IS_LOCKED_OUT) else form

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        """Write a new row, or the changed fields; an unchanged row is not written."""
        if not change:
            super().save_model(request, obj, form, change)
            return
        fields = {field.name: field for field in obj._meta.concrete_fields}
        changed = [name for name in form.changed_data if name in fields]
        if changed:
            noted = [name for name, field in fields.items() if getattr(field, "auto_now", False)]
            obj.save(update_fields=[*changed, *noted])

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The same for many-to-many fields."""
        for field in form.instance._meta.many_to_many if change else ():
            if field.name not in form.changed_data:
                form.cleaned_data.pop(field.name, None)
        super().save_related(request, form, formsets, change)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        with transaction.atomic():
            self.lock_to_delete([obj.pk])
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with transaction.atomic():
            self.lock_to_delete(list(queryset.values_list("pk", flat=True)))
            super().delete_queryset(request, queryset)

    def lock_to_delete(self, keys: Sequence[Any]) -> None:
        """Lock rows before deletion, and rows that change with them, in the global lock order."""
        locked(self.model._base_manager.filter(pk__in=keys).only("pk"))


def _with_retries(request: HttpRequest, work: Callable[[], HttpResponse]) -> HttpResponse:
    """Return `work()`, retried on conflicts. Messages of a failed attempt, even at its commit, are dropped."""
    storage: Any = messages.get_messages(request)
    before = len(storage._queued_messages)

    def once() -> HttpResponse:
        del storage._queued_messages[before:]
        return work()

    try:
        return retried(once)
    except Exception:
        del storage._queued_messages[before:]
        raise


def _refusing(form: Any) -> Any:
    """Return a subclass of the form that is never valid, and says why."""

    class Refusing(form):  # type: ignore[misc] # the base is known at run time only
        def clean(self) -> Any:
            cleaned = super().clean()
            self.add_error(None, forms.ValidationError(busy()))
            return cleaned

    return Refusing
