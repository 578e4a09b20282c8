"""The packages ("rooms") of docs/architecture.md: each imports only those above it in the table, and no two modules
import each other."""

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parent.parent
TOP = ("admin", "too_long_requests", "urls", "gunicorn_worker", "wsgi", "serving")
"""Modules of the project that are above all rooms and combine them."""


def rooms() -> list[str]:
    """Return the rooms in their order; those that combine all others come last."""
    table = (ROOT / "docs/architecture.md").read_text("utf-8").partition("\n| room |")[2]
    first_columns = "\n".join(re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE))
    named = re.findall(r"`search/([\w/]+)/`", first_columns)
    return ["imagesearch", *(name.replace("/", ".") for name in named), "checks", "apps", "urls", "imagesearch.top"]


def modules() -> dict[str, Path]:
    files = [*ROOT.glob("imagesearch/**/*.py"), *ROOT.glob("search/**/*.py")]
    names = {file: file.relative_to(ROOT).with_suffix("").parts for file in files}
    return {
        ".".join(name[:-1] if name[-1] == "__init__" else name): file
        for file, name in names.items()
        if "migrations" not in name
    }


def imported(file: Path, known: dict[str, Path]) -> Iterator[str]:
    """Yield the modules that a file imports anywhere except for types; the package, if the name is exported by it."""
    tree = ast.parse(file.read_text("utf-8"))
    for_types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from {name if name in known else str(node.module) for name in names}


def room(module: str) -> str:
    project, *names = module.split(".")
    if project == "imagesearch":
        return "imagesearch.top" if names and names[0] in TOP else "imagesearch"
    return "demo.trainer" if names[:2] == ["demo", "trainer"] else names[0] if names else "apps"


def test_each_room_imports_only_those_above_it():
    known, order = modules(), rooms()
    upwards = {
        f"{module} imports {other}"
        for module, file in known.items()
        for other in imported(file, known)
        if order.index(room(other)) > order.index(room(module))
    }
    assert upwards == set()


def test_no_two_modules_import_each_other():
    known = modules()
    graph = {
        module: {other for other in imported(file, known) if other not in {module, module.rpartition(".")[0]}}
        for module, file in known.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        raise AssertionError(" -> ".join(circle.args[1])) from None


def test_each_room_has_a_docstring():
    named = {name: file for name, file in modules().items() if file.name == "__init__.py" and name.count(".")}
    silent = {name for name, file in named.items() if not ast.get_docstring(ast.parse(file.read_text("utf-8")))}
    assert silent == {"search.management.commands"}


def test_the_top_level_contains_only_what_django_expects_there():
    assert {file.name for file in ROOT.glob("search/*.py")} == {"__init__.py", "apps.py", "checks.py", "urls.py"}
