"""Compiled templates are stored for the next start, and never stale."""

from pathlib import Path
from typing import Any

import pytest
from jinja2 import DictLoader

from search.rendering.jinja_engine import Pages, _OfOneLanguage


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path / "templates" / "en"


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the templates that were compiled."""
    names: list[str] = []
    parse = _OfOneLanguage._parse

    def noted(environment: _OfOneLanguage, source: str, name: str | None, filename: str | None) -> object:
        names.append(name or "")
        return parse(environment, source, name, filename)

    monkeypatch.setattr(_OfOneLanguage, "_parse", noted)
    return names


def rendered(word: str = "sea", source: str = "{{ word() }} and {{ given }}") -> str:
    """Render the template as a process that has just started."""
    pages = Pages({"word": lambda: word}, loader=DictLoader({"a/page.jinja": source}))
    return pages.get_template("a/page.jinja").render(given="sand")


def test_a_template_is_compiled_once_for_all_processes(compiled: list[str]) -> None:
    assert [rendered(), rendered()] == ["sea and sand"] * 2
    assert compiled == ["a/page.jinja"]


def test_it_is_compiled_again_when_it_or_a_text_in_it_has_changed(compiled: list[str]) -> None:
    found = [rendered(), rendered("lake"), rendered("lake", "{{ word() }}")]
    assert found == ["sea and sand", "lake and sand", "lake"]
    assert len(compiled) == 3


def test_a_damaged_file_is_replaced(folder: Path, compiled: list[str]) -> None:
    rendered()
    [file] = folder.iterdir()
    whole = file.read_bytes()
    for damaged in (b"", b"{}\n", whole[: len(whole) // 2], whole[:-20] + bytes(20)):
        file.write_bytes(damaged)
        assert rendered() == "sea and sand"
        assert file.read_bytes() == whole
    assert len(compiled) == 5


def test_nothing_is_stored_where_nothing_can_be_written(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path / "a file"
    settings.DATA_DIR.write_text("")
    assert rendered() == "sea and sand"
