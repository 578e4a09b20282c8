"""What the first page would otherwise wait for: addresses, templates and words, loaded when a server starts."""

from pathlib import Path

from django.conf import settings
from django.template.loader import get_template
from django.urls import reverse
from django.utils import translation

from search import upgrades

_TEMPLATES = Path(settings.BASE_DIR) / "templates"


def load_pages() -> None:
    """Load the addresses, and the templates of the search page, in the site's own language. Asks no database.

    And what an upgrade must have brought.
    """
    with translation.override(settings.LANGUAGE_CODE):
        reverse("search")
        upgrades.prepare()
        for pattern in ("base*", "_frame/*", "search/search.jinja", "search/_partials/*"):
            for template in _TEMPLATES.glob(pattern):
                name = template.relative_to(_TEMPLATES).as_posix()
                get_template(name, using="jinja2" if template.suffix == ".jinja" else "django")
