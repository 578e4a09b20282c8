"""Translated labels of values that are stored as English words."""

from django.utils.translation import gettext as _

from search.imaging import PALETTE
from search.imaging.colour_extraction import MOSTLY_OF


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


def mostly_labels() -> dict[str, str]:
    """Return labels for pictures that are mostly of one colour."""
    labels = {
        "red": _("Mostly red"),
        "orange": _("Mostly orange"),
        "yellow": _("Mostly yellow"),
        "green": _("Mostly green"),
        "teal": _("Mostly teal"),
        "blue": _("Mostly blue"),
        "purple": _("Mostly purple"),
        "pink": _("Mostly pink"),
        "brown": _("Mostly brown"),
        "black": _("Mostly black"),
        "grey": _("Mostly grey"),
        "white": _("Mostly white"),
    }
    return {MOSTLY_OF + name: labels[name] for name in PALETTE}


def colour_labels() -> dict[str, str]:
    """Return labels for all values of COLOUR_NAMES, in that order."""
    return palette_labels() | mostly_labels()
