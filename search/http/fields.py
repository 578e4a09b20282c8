"""Form fields used by several pages."""

from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminTextInputWidget
from django.utils.translation import gettext as _

from search.curation.changes import MOST_TAGS
from search.curation.details import clean_tags
from search.text.normalization import normalised_text

LONGEST_TAG = 60


class TagsField(forms.CharField):
    """Tags as comma-separated text; cleans to a list without duplicates. Reports an error where uploads would
    truncate."""

    widget = AdminTextInputWidget

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
        if len({tag.casefold() for tag in tags if tag}) > MOST_TAGS:
            raise forms.ValidationError(_("A picture can have at most %(limit)s tags.") % {"limit": MOST_TAGS})
        return clean_tags(text)

    def has_changed(self, initial: Any, data: Any) -> bool:
        before = clean_tags(initial) if isinstance(initial, str) else initial or []
        return clean_tags(data or "") != before
