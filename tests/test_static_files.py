"""Files named in templates and scripts exist: a page that names a missing file would show the page of an upgrade."""

import re
from pathlib import Path

from django.contrib.staticfiles import finders

ROOT = Path(__file__).parent.parent
TEMPLATES = [path for path in (ROOT / "templates").rglob("*") if path.suffix in {".html", ".jinja"}]


def test_every_file_named_in_a_template_exists():
    named = {
        (path.name, name)
        for path in TEMPLATES
        for name in re.findall(r"\bstatic\b\(? *[\"']([^\"'{%]+)[\"']", path.read_text("utf-8"))
    }
    assert len({name for _template, name in named}) > 30
    assert {one for one in named if not finders.find(one[1])} == set()


def test_every_script_imports_existing_names_of_existing_scripts():
    scripts = {path.name: path.read_text("utf-8") for path in (ROOT / "static/js").glob("*.js")}
    exported = {
        name: set(re.findall(r"^export (?:async )?(?:function|class|const) (\w+)", text, re.MULTILINE))
        for name, text in scripts.items()
    }
    imported = {
        (script, other, name.strip().partition(" as ")[0])
        for script, text in scripts.items()
        for names, other in re.findall(r"^import (?:\{([^}]*)\} from )?\"\./([\w.]+)\";", text, re.MULTILINE)
        for name in (names.split(",") if names else [""])
    }
    assert len(imported) > 50
    assert {(script, other) for script, other, _name in imported if other not in scripts} == set()
    assert {one for one in imported if one[2] and one[2] not in exported[one[1]]} == set()
    lazily = {other for text in scripts.values() for other in re.findall(r"import\(\"\./([\w.]+)\"\)", text)}
    assert lazily
    assert lazily <= scripts.keys()
