"""Forms of the admin."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.admin.helpers import ActionForm
from django.contrib.admin.widgets import AdminTextareaWidget, AutocompleteSelect
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.models import Group, User
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy

from search.accounts.roles import ROLES, role_of
from search.http.form_fields import TagsField
from search.http.forms import IN_ITS_OWN_DIRECTION
from search.models import Image

if TYPE_CHECKING:
    _Form = forms.ModelForm[Any]
    _ImageModelForm = forms.ModelForm[Image]
    _GroupModelForm = forms.ModelForm[Group]
    _UserChangeForm = UserChangeForm[User]
else:
    _Form, _ImageModelForm, _GroupModelForm, _UserChangeForm = object, forms.ModelForm, forms.ModelForm, UserChangeForm


class UserSelect(AutocompleteSelect):
    """A user found by typing. Django's own raises for an invalid key, instead of showing the error at the field."""

    def optgroups(self, name: str, value: Sequence[str], attrs: dict[str, Any] | None = None) -> Any:
        return super().optgroups(name, [key for key in value if key == "" or key.isdecimal()], attrs)


class _HiddenChoices(forms.MultipleHiddenInput):
    """Hidden inputs of a multiple choice that also submit an empty one."""

    def format_value(self, value: Any) -> Any:
        return super().format_value(value) or [""]

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        return [value for value in super().value_from_datadict(data, files, name) or [] if value]


class KeepsConcurrentEdits(_Form):
    """Submits the initial values with the form: a field that somebody else has changed since, and this user has not,
    is left unchanged."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name, field in self.fields.items():
            if isinstance(field, forms.ModelMultipleChoiceField):
                field.hidden_widget = _HiddenChoices
            is_there = not self.is_bound or self.add_initial_prefix(name) in self.data
            field.show_hidden_initial = is_there and not field.disabled


class AccountForm(KeepsConcurrentEdits, _UserChangeForm):
    """An account, its role, and other groups and permissions."""

    role = forms.ChoiceField(
        label=gettext_lazy("Role"),
        required=False,
        choices=[
            ("", gettext_lazy("None of these")),
            *((name, format_lazy("{}: {}", *said)) for name, said in ROLES.items()),
        ],
        help_text=gettext_lazy("Replaces the previous role. The groups and permissions below are added to it."),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if "role" in self.fields:
            self.initial["role"] = role_of(self.instance)
        if "groups" in self.fields:
            others = Group.objects.exclude(name__in=ROLES)
            self.fields["groups"].queryset = others  # type: ignore[attr-defined]
            self.initial["groups"] = [group for group in self.initial.get("groups", ()) if group.name not in ROLES]


class GroupForm(KeepsConcurrentEdits, _GroupModelForm):
    """A group and its permissions."""


class ImageForm(KeepsConcurrentEdits, _ImageModelForm):
    """The editable fields of a picture; the others are derived from its content."""

    tags = TagsField(
        label=gettext_lazy("Tags"),
        required=False,
        widget=AdminTextareaWidget(attrs={"rows": 2}),
        help_text=gettext_lazy("Separated by commas."),
    )

    class Meta:
        model = Image
        fields = ("title", "description", "tags", "hidden", "source_link", "author", "licence", "uploader")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Users with view permission only get none of these.
        for name in {"title", "description", "tags", "author", "licence"} & set(self.fields):
            self.fields[name].widget.attrs.update(IN_ITS_OWN_DIRECTION)


class TagActionForm(ActionForm):
    """The action to run, and the tags for adding or removing."""

    # Validated by the action itself, which can report the error.
    tags = forms.Field(
        label=gettext_lazy("Tags:"),
        required=False,
        widget=forms.TextInput(
            attrs={"placeholder": gettext_lazy("sea, evening"), "size": 16, **IN_ITS_OWN_DIRECTION}
        ),
    )
