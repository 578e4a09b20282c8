"""Filter by a group of the map."""

from typing import Any, NamedTuple

from django.db.models import Q
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from search.models import MapGroup, MapPosition
from search.query.errors import NoSuchQuery


class InGroup(NamedTuple):
    """A group of a layout, by its number."""

    layout: Any
    number: Any

    def condition(self) -> Q:
        within = MapPosition.objects.filter(layout_id=self.layout, number=self.number)
        return Q(pk__in=within.values("image"))


def in_group(number: int) -> InGroup:
    """Return the condition of the group with this number on the current map. Raises NoSuchQuery if there is none."""
    layout = _named(number).values_list("layout_id", flat=True).first()
    if layout is None:
        raise NoSuchQuery(_("This group is no longer on the map."))
    return InGroup(layout, number)


def group_label(number: int) -> str:
    """Return the name of a group in the active language."""
    group = _named(number).first()
    return label_of(group) if group else unnamed(number)


def label_of(group: MapGroup) -> str:
    name = (get_language() == "ko" and group.korean_name) or group.name
    return str(name) or unnamed(group.number)


def unnamed(number: int) -> str:
    return _("Group %(number)s") % {"number": number}


def _named(number: int) -> Any:
    return MapGroup.objects.filter(layout__is_current=True, number=number)
