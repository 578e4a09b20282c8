"""Preloading for the first page: URLs, templates and translations, when a server starts."""

from pathlib import Path

from django.conf import settings
from django.template.loader import get_template
from django.urls import reverse
from django.utils import translation

from search.monitoring import upgrades

_TEMPLATES = Path(settings.BASE_DIR) / "templates"


def load_pages() -> None:
    """Load the URLs, the templates of the search page, and the checks of an upgrade. Queries no database."""
    with translation.override(settings.LANGUAGE_CODE):
        reverse("search")
        upgrades.prepare()
        for name in _names("base*.html", "search/_partials/*.html"):
            get_template(name, using="django")
    # Templates of the search page are compiled for each language.
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            for name in _names("base.jinja", "_frame/*", "search/search.jinja", "search/_partials/*.jinja"):
                get_template(name, using="jinja2")


def _names(*patterns: str) -> list[str]:
    return [found.relative_to(_TEMPLATES).as_posix() for pattern in patterns for found in _TEMPLATES.glob(pattern)]
