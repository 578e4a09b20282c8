"""Model and form fields for people's text, which is normalised on the way in, and for comparison.

Not by a database constraint: PostgreSQL and Python have different versions of Unicode, and where they differ about a
new script, a constraint would refuse normalised text.
"""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.postgres.fields import ArrayField
from django.db import models

from search.text.normalization import composed, normalised_text

if TYPE_CHECKING:
    _CharField = models.CharField[str, str]
    _TextField = models.TextField[str, str]
    _ArrayField = ArrayField[Any, Any]
else:
    _CharField, _TextField, _ArrayField = models.CharField, models.TextField, ArrayField


class LineInput(forms.CharField):
    """One line in NFC with single spaces, normalised before its length is checked: some texts become longer."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        # NUL is left for Django to refuse.
        return normalised_text(text) if isinstance(text, str) and "\0" not in text else text


class ProseInput(forms.CharField):
    """Text of any number of lines in NFC."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        return composed(text) if isinstance(text, str) else text


def _line(value: Any) -> Any:
    return normalised_text(value) if isinstance(value, str) else value


def _prose(value: Any) -> Any:
    return composed(value) if isinstance(value, str) else value


class LineField(_CharField):
    """One line of text: stored in NFC with single spaces, queried in NFC."""

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        return super().clean(_line(value), model_instance)

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = _line(super().pre_save(model_instance, add))
        setattr(model_instance, self.attname, value)
        return value

    def get_prep_value(self, value: Any) -> Any:
        return _prose(super().get_prep_value(value))

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": LineInput, **kwargs})


class ProseField(_TextField):
    """Text of any number of lines: stored, and queried, in NFC."""

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        return super().clean(_prose(value), model_instance)

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = _prose(super().pre_save(model_instance, add))
        setattr(model_instance, self.attname, value)
        return value

    def get_prep_value(self, value: Any) -> Any:
        return _prose(super().get_prep_value(value))

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": ProseInput, **kwargs})


class TagsField(_ArrayField):
    """Tags, each one line, without duplicates, in the order given."""

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = super().pre_save(model_instance, add)
        if isinstance(value, (list, tuple)):
            value = list(dict.fromkeys(tag for tag in map(_line, value) if tag))
            setattr(model_instance, self.attname, value)
        return value
