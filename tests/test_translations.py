"""The Korean translation is complete, and the compiled catalogue matches its source."""

import ast
import datetime as dt
import gettext
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from django.conf import settings
from django.utils import translation
from django.utils.formats import date_format

MESSAGES = Path(settings.BASE_DIR) / "locale" / "ko" / "LC_MESSAGES"
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w+\}|</?\w+>")


class Entry(NamedTuple):
    flags: str
    original: list[str]
    translations: list[str]


def entries() -> list[Entry]:
    """The messages of the .po file; `original` includes the plural, if there is one."""
    found = []
    for block in (MESSAGES / "django.po").read_text("utf-8").split("\n\n")[1:]:
        lines = block.splitlines()
        texts: dict[str, str] = {}
        key = ""
        for line in lines:
            if line.startswith("msg"):
                key = line.split(" ", 1)[0]
            if not line.startswith("#"):
                texts[key] = texts.get(key, "") + ast.literal_eval(line[line.index('"') :])
        originals = [text for key, text in texts.items() if key.startswith("msgid")]
        translations = [text for key, text in texts.items() if key.startswith("msgstr")]
        found.append(Entry(" ".join(line for line in lines if line.startswith("#")), originals, translations))
    return found


def test_every_message_has_a_translation():
    assert len(entries()) > 100
    assert [entry.original[0] for entry in entries() if not all(entry.translations)] == []


def test_no_translation_is_fuzzy_or_obsolete():
    assert [entry.original for entry in entries() if "fuzzy" in entry.flags or "#~" in entry.flags] == []


def test_placeholders_and_markup_are_kept_in_translations():
    changed = []
    for entry in entries():
        wanted = sorted(PLACEHOLDER.findall(entry.original[-1]))
        changed += [text for text in entry.translations if sorted(PLACEHOLDER.findall(text)) != wanted]
    assert changed == []


def test_the_compiled_catalogue_matches_its_source(tmp_path: Path):
    if shutil.which("msgfmt") is None:
        pytest.skip("msgfmt (gettext) is not installed")
    compiled = tmp_path / "django.mo"
    subprocess.run(["msgfmt", "--check-format", "-o", compiled, MESSAGES / "django.po"], check=True)
    assert _catalogue(compiled) == _catalogue(MESSAGES / "django.mo")


def _catalogue(path: Path) -> dict[object, str]:
    with path.open("rb") as file:
        messages: dict[object, str] = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    return {key: text for key, text in messages.items() if key != ""}


def test_every_message_of_the_code_is_in_the_catalogue():
    if shutil.which("xgettext") is None:
        pytest.skip("xgettext (gettext) is not installed")
    folder = Path(settings.BASE_DIR)
    options = ["--language=Python", "--from-code=UTF-8", "--no-wrap", "--output=-"]
    keywords = ("gettext_lazy", "gettext_noop", "pgettext:1c,2", "ngettext_lazy:1,2")
    found = subprocess.run(
        ["xgettext", *options, *(f"--keyword={keyword}" for keyword in keywords), *(folder / "search").rglob("*.py")],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    texts = {ast.literal_eval(text) for text in re.findall(r'^msgid (".+")$', found, re.MULTILINE)}
    assert len(texts) > 50
    assert sorted(texts - {entry.original[0] for entry in entries()} - {""}) == []


def test_no_two_plurals_share_their_singular():
    """The catalogue identifies each by its singular: one of them would be translated as the other."""
    plurals: dict[tuple[str, str], set[str]] = {}
    for context, singular, plural in (*_plurals_of_code(), *_plurals_of_templates()):
        plurals.setdefault((context, singular), set()).add(plural)
    assert len(plurals) > 50
    assert [texts for texts in plurals.values() if len(texts) > 1] == []


def _plurals_of_code() -> Iterator[tuple[str, str, str]]:
    for path in (Path(settings.BASE_DIR) / "search").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            if isinstance(node, ast.Call) and name.removesuffix("_lazy") in ("ngettext", "npgettext"):
                texts = [str(one.value) for one in node.args[:3] if isinstance(one, ast.Constant)]
                context = texts.pop(0) if name.startswith("np") else ""
                if len(texts) >= 2:
                    yield context, texts[0], texts[1]


def _plurals_of_templates() -> Iterator[tuple[str, str, str]]:
    blocks = re.compile(r"{% blocktranslate(.*?)%}(.*?){% plural %}(.*?){% endblocktranslate %}", re.DOTALL)
    for path in (Path(settings.BASE_DIR) / "templates").rglob("*.html"):
        for options, *texts in blocks.findall(path.read_text("utf-8")):
            context = re.search('context "([^"]+)"', options)
            singular, plural = (" ".join(re.sub(r"{{ (\w+) }}", r"%(\1)s", text).split()) for text in texts)
            yield context[1] if context else "", singular, plural


def test_korean_times_begin_with_am_or_pm():
    with translation.override("ko"):
        assert (
            date_format(dt.datetime(2026, 3, 1, 15, 5, tzinfo=dt.UTC), "DATETIME_FORMAT") == "2026년 3월 1일 오후 3:05"
        )
