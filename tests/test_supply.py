"""Dependencies are locked with hashes, and their licences are compatible with MIT."""

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from django.conf import settings as project
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from supply import NOT_LOCKED, audit, licences, locked, requirements_in

BASE: Path = project.BASE_DIR
LISTS = ["requirements", "requirements-dev"]


def reachable(roots: list[Requirement]) -> set[str]:
    """The installed packages that these requirements lead to."""
    found: set[str] = set()
    seen: set[tuple[str, str]] = set()
    left = list(roots)
    while left:
        requirement = left.pop()
        name = canonicalize_name(requirement.name)
        if name.startswith(NOT_LOCKED) and name != "torch":
            continue
        found.add(name)
        for extra in ("", *requirement.extras):
            if (name, extra) not in seen:
                seen.add((name, extra))
                brought = [Requirement(line) for line in requires(name) or ()]
                left += [one for one in brought if not one.marker or one.marker.evaluate({"extra": extra})]
    return found


@pytest.mark.parametrize("name", LISTS)
def test_the_lock_contains_the_requirements_and_their_dependencies_only(name):
    roots = list(requirements_in(BASE / f"{name}.txt"))
    lock = {one.name: one for one in locked(BASE / f"{name}.lock") if one.is_for_here}
    for one in roots:
        if one.name != "torch":
            assert one.specifier.contains(lock[canonicalize_name(one.name)].version), f"{one}: run `make lock`"
    try:
        brought = reachable(roots) - {"torch"}
    except PackageNotFoundError as error:
        pytest.fail(f"{error} is not installed: run `make lock`, then `make lint`.")
    assert set(lock) == brought, "run `make lock`"


@pytest.mark.parametrize("name", LISTS)
def test_every_package_of_a_lock_has_hashes_and_no_index_is_named(name):
    text = (BASE / f"{name}.lock").read_text()
    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash)", text, re.MULTILINE)
    for one in locked(BASE / f"{name}.lock"):
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", one_hash) for one_hash in one.hashes), one.name
        # Else a machine without a GPU would download 3 GB for one.
        assert not one.name.startswith(NOT_LOCKED)


def test_versions_are_the_same_for_production_and_development():
    for_developers = {(one.name, one.version): one for one in locked(BASE / "requirements-dev.lock")}
    for one in locked(BASE / "requirements.lock"):
        assert for_developers[one.name, one.version].hashes == one.hashes


def test_a_line_without_hashes_or_version_is_refused(tmp_path):
    for line in ("django==5.2.19", "django>=5 --hash=sha256:00", "django --hash=sha256:00"):
        (tmp_path / "x.lock").write_text(line)
        with pytest.raises(ValueError, match="django"):
            locked(tmp_path / "x.lock")


@pytest.mark.parametrize("file", ["Makefile", "Dockerfile"])
def test_installation_checks_the_hashes(file):
    commands = (
        (BASE / file).read_text().replace("--requirement", "-r").replace("$(LOCKED)", "--no-deps --require-hashes")
    )
    assert re.search(r"--no-deps --require-hashes -r requirements\.lock", commands)
    assert "-r requirements.txt" not in commands


# Licences


def test_every_dependency_has_an_allowed_licence():
    refused = {
        name: licence for name, (_, licence) in licences.installed().items() if not licences.is_allowed(name, licence)
    }
    assert not refused


def test_the_page_of_licences_is_up_to_date():
    assert (BASE / "docs" / "licences.md").read_text() == licences.page(licences.installed()), "run `make licences`"


@pytest.mark.parametrize(
    ("name", "licence", "allowed"),
    [
        ("a", "MIT", True),
        ("a", "Apache-2.0 AND (MIT)", True),
        ("a", "GPL-3.0-only OR MIT", True),
        ("a", "GPL-3.0-only AND MIT", False),
        ("a", "LGPL-3.0-only", False),
        ("psycopg", "LGPL-3.0-only", True),
        ("psycopg", "GPL-3.0-only", False),
        ("a", "", False),
        ("a", "Proprietary", False),
    ],
)
def test_allowed_licences(name, licence, allowed):
    assert licences.is_allowed(name, licence) is allowed


# Known vulnerabilities


def test_an_audit_without_data_does_not_report_success():
    nothing = {"dependencies": [{"name": "a", "skip_reason": "not found"}, {"name": "b", "skip_reason": "not found"}]}
    some = {"dependencies": [{"name": "a", "version": "1", "vulns": []}, {"name": "b", "skip_reason": "not found"}]}
    for report in (nothing, some):
        status, said = audit.verdict(report)
        assert status == 3
        assert "advisory service" in said[0]


def test_an_audit_reports_known_vulnerabilities():
    known = {"id": "PYSEC-1", "fix_versions": ["1.1"], "aliases": [], "description": "bad"}
    status, said = audit.verdict({"dependencies": [{"name": "a", "version": "1.0", "vulns": [known]}]})
    assert (status, said) == (1, ["a 1.0: PYSEC-1, fixed in 1.1."])
    assert audit.verdict({"dependencies": [{"name": "a", "version": "1.1", "vulns": []}]})[0] == 0


def test_torch_is_audited_too():
    asked = audit.locked_requirements().splitlines()
    assert any(line.startswith("torch==") for line in asked)
    assert any(line.startswith("django==") for line in asked)
