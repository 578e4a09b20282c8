"""What curators fill in."""

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
from search.http.fields import TagsField
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
    """A user found by typing. Django's own breaks on what no key can be, instead of showing the error at the field."""

    def optgroups(self, name: str, value: Sequence[str], attrs: dict[str, Any] | None = None) -> Any:
        return super().optgroups(name, [key for key in value if key == "" or key.isdecimal()], attrs)


class _HiddenChoices(forms.MultipleHiddenInput):
    """What was chosen of many, so that none of them is said too."""

    def format_value(self, value: Any) -> Any:
        return super().format_value(value) or [""]

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        return [value for value in super().value_from_datadict(data, files, name) or [] if value]


class WithWhatWasShown(_Form):
    """What the page showed comes back with the form: a field that somebody else has changed since, and this person
    has not, stays as it is."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name, field in self.fields.items():
            if isinstance(field, forms.ModelMultipleChoiceField):
                field.hidden_widget = _HiddenChoices
            is_there = not self.is_bound or self.add_initial_prefix(name) in self.data
            field.show_hidden_initial = is_there and not field.disabled


class AccountForm(WithWhatWasShown, _UserChangeForm):
    """An account, its role, and other groups and permissions."""

    role = forms.ChoiceField(
        label=gettext_lazy("Role"),
        required=False,
        choices=[
            ("", gettext_lazy("None of these")),
            *((name, format_lazy("{}: {}", *said)) for name, said in ROLES.items()),
        ],
        help_text=gettext_lazy("Instead of the role before. Groups and permissions below are given besides."),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if "role" in self.fields:
            self.initial["role"] = role_of(self.instance)
        if "groups" in self.fields:
            others = Group.objects.exclude(name__in=ROLES)
            self.fields["groups"].queryset = others  # type: ignore[attr-defined]
            self.initial["groups"] = [group for group in self.initial.get("groups", ()) if group.name not in ROLES]


class GroupForm(WithWhatWasShown, _GroupModelForm):
    """A group and its permissions."""


class ImageForm(WithWhatWasShown, _ImageModelForm):
    """What people say of a picture; the rest its content decides."""

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
        # None of them is there for those who may only look.
        for name in {"title", "description", "tags", "author", "licence"} & set(self.fields):
            self.fields[name].widget.attrs.update(IN_ITS_OWN_DIRECTION)


class TagActionForm(ActionForm):
    """The action to run, and the tags that two of them add or remove."""

    # Checked by the action itself, which can say what is wrong.
    tags = forms.Field(
        label=gettext_lazy("Tags:"),
        required=False,
        widget=forms.TextInput(
            attrs={"placeholder": gettext_lazy("sea, evening"), "size": 16, **IN_ITS_OWN_DIRECTION}
        ),
    )
