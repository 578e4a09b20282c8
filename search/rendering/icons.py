"""The drawings of img/icons.svg, at hand in every template."""

from functools import cache

from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString


@cache
def icon(name: str) -> SafeString:
    """Return one of the drawings; what it means is said beside it."""
    return format_html(
        '<svg class="icon" width="20" height="20" aria-hidden="true" focusable="false"><use href="{}#{}" /></svg>',
        static("img/icons.svg"),
        name,
    )
