"""Form fields used by several pages."""

from typing import Any, ClassVar

from django import forms
from django.contrib.admin.widgets import AdminTextInputWidget
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from search.curation.change_kinds import MOST_TAGS
from search.curation.cleaned_details import clean_tags
from search.http.forms import IN_ITS_OWN_DIRECTION
from search.text.normalization import normalised_text

LONGEST_TAG = 60


class TagsField(forms.CharField):
    """Tags as comma-separated text; cleans to a list without duplicates. Reports an error where uploads would
    truncate."""

    widget = AdminTextInputWidget
    most: ClassVar[int] = MOST_TAGS
    too_many: ClassVar[Any] = gettext_lazy("A picture can have at most %(limit)s tags.")

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {**super().widget_attrs(widget), **IN_ITS_OWN_DIRECTION}

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        tags = [normalised_text(tag) for tag in text.split(",")]
        if too_long := [tag for tag in tags if len(tag) > LONGEST_TAG]:
            raise forms.ValidationError(
                _("A tag can have at most %(limit)s characters; “%(tag)s…” is longer.")
                % {"limit": LONGEST_TAG, "tag": too_long[0][:30]}
            )
        if len({tag.casefold() for tag in tags if tag}) > self.most:
            raise forms.ValidationError(self.too_many % {"limit": self.most})
        return clean_tags(text)

    def has_changed(self, initial: Any, data: Any) -> bool:
        before = clean_tags(initial) if isinstance(initial, str) else initial or []
        return clean_tags(data or "") != before
