"""Texts that were stored in the language of whoever acted, shown in the language of the reader.

A text is recognised if it is one of the given messages in one of the site's languages. Others are shown as stored:
those of users, and messages of an earlier version that have changed since.
"""

import json
import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy, override

from search.containers.errors import MESSAGES
from search.models import Image, Report, Revision

_REASONS = tuple(gettext_lazy(message) for message in MESSAGES.values())
_UNTITLED = (gettext_lazy("Untitled picture"),)
_LABELS: dict[Any, tuple[Any, ...]] = {
    Revision: tuple(kind.label for kind in Revision.Kind),
    Report: tuple(reason.label for reason in Report.Reason),
}
"""The beginnings of names, up to a colon."""
_FIELDS = {"resolved": gettext_lazy("state")}
"""Labels of fields that are not the form's."""
_DECISIONS = {"sign-up": gettext_lazy("Sign-up approved.")}


def reason(stored: str) -> str:
    """Return the reason why a file was refused, in the active language."""
    return _translated(stored, _REASONS)


def localise(entries: Iterable[LogEntry]) -> list[LogEntry]:
    """Return these entries of Django's log, not to be saved, with names and messages in the active language."""
    found = list(entries)
    for entry in found:
        entry.object_repr = _name(entry)
        entry.change_message = _message(entry.change_message)
    return found


def _name(entry: LogEntry) -> str:
    model: Any = entry.content_type.model_class() if entry.content_type else None
    if model is Image:
        return _translated(entry.object_repr, _UNTITLED)
    if model not in _LABELS:
        return entry.object_repr
    label, colon, rest = entry.object_repr.partition(": ")
    return f"{_translated(label, _LABELS[model])}{colon}{_translated(rest, _UNTITLED)}"


def _message(stored: str) -> str:
    """Return a message with translated labels: Django stores them in English, and with an initial capital, with which
    the catalogue may lack them."""
    if stored in _DECISIONS:
        return str(_DECISIONS[stored])
    try:
        parts = json.loads(stored)
        for part in parts:
            if changed := part.get("changed"):
                changed["fields"] = [_label(field) for field in changed["fields"]]
    except (ValueError, TypeError, AttributeError, KeyError):  # a plain text
        return stored
    return json.dumps(parts)


def _label(stored: str) -> str:
    if stored in _FIELDS:
        return str(_FIELDS[stored])
    small = stored[:1].lower() + stored[1:]
    return next((found for text in (stored, small) if (found := gettext(text)) != text), stored)


def _translated(stored: str, messages: tuple[Any, ...]) -> str:
    for pattern, message in _patterns(messages):
        if match := pattern.fullmatch(stored):
            found = match.groupdict()
            return str(message) % found if found else str(message)
    return stored


@cache
def _patterns(messages: tuple[Promise, ...]) -> Sequence[tuple[re.Pattern[str], Promise]]:
    """Return what each message looks like in each language."""
    found = []
    for language, _name_of_it in settings.LANGUAGES:
        with override(language):
            found += [(_pattern(str(message)), message) for message in messages]
    return found


def _pattern(message: str) -> re.Pattern[str]:
    # Every other part is the name of a value.
    parts = re.split(r"%\((\w+)\)s", message)
    texts = [f"(?P<{part}>.+)" if number % 2 else re.escape(part) for number, part in enumerate(parts)]
    return re.compile("".join(texts), re.DOTALL)
