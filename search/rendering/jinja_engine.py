"""The template engine of the search page: Jinja, with everything that is the same on each page evaluated at compile
time.

A page has two hundred texts, addresses and icons that never change within a language. So each language has its own
environment, in which `{% translate "Search" %}`, `url("results")` and the like are constants, and most of a template
is one string. Django's engine looks them up for every page, which took more than half of its time.
"""

import re
import threading
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.template.loader import get_template
from django.templatetags.static import static
from django.urls import get_script_prefix, reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext, pgettext
from jinja2 import Environment, Template, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.visitor import NodeTransformer
from markupsafe import Markup

from search.rendering import template_store
from search.rendering.icons import icon
from search.rendering.template_store import Call, TemplateStore

_INDENTED = re.compile(r"^[ \t]+", re.MULTILINE)


class Translate(Extension):
    """`{% translate "Space" context "the key" %}`, in the syntax that `makemessages` finds in Django templates."""

    tags = {"translate"}  # noqa: RUF012 - declared so by Jinja

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Remove indentation, a fifth of a page of results."""
        return _INDENTED.sub("", source)

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        name, texts = "_", [parser.parse_primary()]
        if parser.stream.skip_if("name:context"):
            name, texts = "pgettext", [parser.parse_primary(), *texts]
        call = nodes.Call(nodes.Name(name, "load"), texts, [], None, None, lineno=line)
        # As in Django, translations are trusted and may contain HTML.
        return nodes.Output([nodes.MarkSafe(call, lineno=line)], lineno=line)


def url(name: str, *args: object) -> str:
    """`{{ url("image", image.id) }}`: the address of a view."""
    return reverse(name, args=args)


_CONSTANTS: dict[str, Callable[..., Any]] = {
    "_": gettext,
    "pgettext": pgettext,
    "static": static,
    "url": url,
    "icon": icon,
}
"""Functions whose results for constant arguments are the same on each page of a language."""


class _Constants(NodeTransformer):
    """Replaces constant calls of such functions by their results."""

    def __init__(self, functions: Mapping[str, Callable[..., Any]]) -> None:
        self._functions = functions
        self.calls: list[Call] = []
        """The constant calls, in order."""

    def visit_Call(self, node: nodes.Call, *args: Any, **options: Any) -> nodes.Node:  # noqa: N802 - Jinja's name
        self.generic_visit(node, *args, **options)
        name = node.node.name if isinstance(node.node, nodes.Name) else ""
        given = [one.value for one in node.args if isinstance(one, nodes.Const)]
        is_constant = len(given) == len(node.args) and not (node.kwargs or node.dyn_args or node.dyn_kwargs)
        if name not in self._functions or not is_constant:
            return node
        self.calls.append((name, given))
        try:
            value = self._functions[name](*given)
        except Exception:  # rendering this part will raise it
            return node
        # Jinja inlines Markup as a constant, but not Django's SafeString.
        text = Markup(value) if hasattr(value, "__html__") else value  # noqa: S704 - already marked safe
        return nodes.Const(text, lineno=node.lineno)


class _OfOneLanguage(Environment):
    def __init__(self, constants: Mapping[str, Callable[..., Any]], store: TemplateStore, **options: Any) -> None:
        super().__init__(**options, bytecode_cache=store)
        self._constants, self._store = constants, store

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        template = super()._parse(source, name, filename)
        constants = _Constants(self._constants)
        constants.visit(template)
        if name:
            self._store.evaluated[name] = constants.calls
        return template


@cache
def _compiler() -> str:
    return template_store.made_by(Path(__file__), Path(template_store.__file__))


class Pages(Environment):
    """Looks up templates in the environment of the current language."""

    def __init__(self, constants: Mapping[str, Callable[..., Any]], **options: Any) -> None:
        """`constants` are further functions whose results are the same on each page of a language."""
        self._options = {"extensions": [Translate], **options}
        super().__init__(**self._options)
        self._constants = {**_CONSTANTS, **constants}
        self.globals |= self._constants
        self._by_language: dict[tuple[object, ...], Environment] = {}
        self._lock = threading.Lock()

    def get_template(self, name: Any, *args: Any, **options: Any) -> Template:
        return self._spoken().get_template(name, *args, **options)

    def _spoken(self) -> Environment:
        # Static addresses depend on settings that tests change, as is the site's name.
        files = settings.STORAGES["staticfiles"]["BACKEND"], settings.STATIC_URL, settings.STATIC_ROOT
        key = get_language(), get_script_prefix(), settings.SITE_NAME, *files
        known = self._by_language.get(key)
        if known is None:
            with self._lock:
                known = self._by_language.setdefault(key, self._made())
        return known

    def _made(self) -> Environment:
        folder = settings.DATA_DIR / "templates" / (get_language() or "none")
        store = TemplateStore(folder, f"{_compiler()} {self.autoescape}", self._constants)
        made = _OfOneLanguage(self._constants, store, **self._options)
        made.globals, made.filters, made.tests = self.globals, self.filters, self.tests
        return made


def rendered(name: str, **given: Any) -> SafeString:
    """Render a Jinja template, for use in a Django template."""
    return mark_safe(get_template(name, using="jinja2").render(given))  # noqa: S308 - escaped by Jinja
