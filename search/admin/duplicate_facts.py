"""The comparison of a group of duplicates: facts of each picture, and which differ."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.template.defaultfilters import filesizeformat
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from search.admin import picture_html
from search.models import Image

_NOTHING = "–"


@dataclass
class Fact:
    """A row of a group's comparison; `differs` where the values of its pictures differ."""

    name: str
    value: str
    differs: bool = False


def facts_of(images: Sequence[Image]) -> list[list[Fact]]:
    """Return the facts of each image, in the order given, without rows that are empty for all of them."""
    columns = [column for column in zip(*map(_facts, images), strict=True) if _is_telling(column)]
    for column in columns:
        differs = len({fact.value for fact in column}) > 1
        for fact in column:
            fact.differs = differs
    return [list(row) for row in zip(*columns, strict=True)]


def _is_telling(column: Sequence[Fact]) -> bool:
    return any(fact.value not in (_NOTHING, _("Visible")) for fact in column)


def _facts(image: Image) -> list[Fact]:
    return [
        Fact(_("pixels"), f"{image.width} × {image.height}"),
        Fact(_("format"), image.get_format_display()),
        Fact(_("size"), filesizeformat(image.byte_size)),
        Fact(_("date taken"), _taken(image)),
        Fact(_("added"), picture_html.moment(image.created)),
        Fact(_("title"), image.title or _NOTHING),
        Fact(_("tags"), ", ".join(image.tags) or _NOTHING),
        Fact(_("description"), image.description[:200] or _NOTHING),
        Fact(_("licence"), image.licence or _NOTHING),
        Fact(_("visibility"), _("Hidden") if image.hidden else _("Visible")),
    ]


def _taken(image: Image) -> str:
    """Return when it was taken, marked if it is a guess, such as the time of its file."""
    captured = image.captured
    if not captured or not captured.taken:
        return _NOTHING
    taken = date_format(captured.taken, "SHORT_DATETIME_FORMAT")
    return _("about %(when)s") % {"when": taken} if captured.is_about else taken
