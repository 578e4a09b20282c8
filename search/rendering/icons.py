"""The icons of img/icons.svg for templates."""

from functools import cache

from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString


@cache
def icon(name: str) -> SafeString:
    """Return an icon; it is hidden from screen readers, so text must be beside it."""
    return format_html(
        '<svg class="icon" width="20" height="20" aria-hidden="true" focusable="false"><use href="{}#{}" /></svg>',
        static("img/icons.svg"),
        name,
    )
