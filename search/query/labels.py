"""What values are called that are kept as words of English."""

from django.utils.translation import gettext as _

from search.imaging import PALETTE


def palette_labels() -> dict[str, str]:
    labels = {
        "red": _("Red"),
        "orange": _("Orange"),
        "yellow": _("Yellow"),
        "green": _("Green"),
        "teal": _("Teal"),
        "blue": _("Blue"),
        "purple": _("Purple"),
        "pink": _("Pink"),
        "brown": _("Brown"),
        "black": _("Black"),
        "grey": _("Grey"),
        "white": _("White"),
    }
    return {name: labels[name] for name in PALETTE}
