"""The three packages for scripts, as documented in docs/python.md."""

import importlib
import re
from pathlib import Path

import pytest

from tests.base import write_picture

ROOT = Path(__file__).parent.parent
TOLD = (ROOT / "docs/python.md").read_text("utf-8")


@pytest.mark.django_db(transaction=True)
def test_the_documented_script_ingests_a_folder_and_finds_a_picture(tmp_path: Path, capsys):
    write_picture(tmp_path / "red.png", "red", format="PNG")
    (script,) = re.findall(r"```python\n(.*?)```", TOLD, re.DOTALL)
    exec(compile(script, "docs/python.md", "exec"), {"folder": str(tmp_path)})
    added, *found = capsys.readouterr().out.splitlines()
    assert added == "1 added, 0 known, 0 failed"
    assert all(re.fullmatch(r"0\.\d\d .+ [0-9a-f-]{36}", line) for line in found)


@pytest.mark.parametrize(("room", "names"), re.findall(r"^\| `(search\.\w+)` \| (.+) \|$", TOLD, re.MULTILINE))
def test_the_documented_names_are_exported_and_typed(room: str, names: str):
    exported = importlib.import_module(room).__all__
    assert {name for name in re.findall(r"`(\w+)(?:\([^`]*\))?`", names) if name not in exported} == set()
    assert (ROOT / "search/py.typed").is_file()
