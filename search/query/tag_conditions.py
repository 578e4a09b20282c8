"""Conditions on the tags of images."""

from typing import Any

from django.db.models import BooleanField, Case, F, Func, When

from search.query import full_text


def has_any_tag(names: Any) -> Func:
    """Whether one of the tags is in `names`, a list passed as one value. Uses the index of tags."""
    return Func(
        F("tags"),
        full_text.value_of(names),
        template="(%(expressions)s::varchar[])",
        arg_joiner=" && ",
        output_field=BooleanField(),
    )


def has_tag_in_words(tag: full_text.Text) -> Case:
    """Whether one of the tags of a row in the full-text index is this one, case-insensitively.

    The same spelling is compared first, in a third of the time. That it names a column of the index keeps the planner
    from comparing the tags of all images before it has joined those that hold the words.
    """
    as_written = Func(
        F("tags"),
        full_text.value_of(tag),
        template="(%(expressions)s]::varchar[])",
        arg_joiner=" @> ARRAY[",
        output_field=BooleanField(),
    )
    return Case(
        When(words__vector__isnull=True, then=False),
        When(as_written, then=True),
        default=has_tag(tag),
        output_field=BooleanField(),
    )


def has_tag(tag: full_text.Text) -> Func:
    """Whether one of the tags is this one, case-insensitively. No index supports it."""
    return Func(
        F("tags"),
        full_text.value_of(tag),
        template="(lower(%(expressions)s)])",
        arg_joiner="::text)::text[] @> ARRAY[lower(",
        output_field=BooleanField(),
    )
