"""What is written for people, and for Docker, names what there is: all of it and nothing else."""

import ast
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml
from django.core.management import get_commands, load_command_class

from search.checks import OLDEST_PGVECTOR
from search.ingestion.metadata import _TEXT_COLUMNS
from search.models.queries import KEPT

ROOT = Path(__file__).resolve().parent.parent
READMES = ["README.md", "README.ko.md"]
READERS = {f"imagesearch.{name}" for name in ("environment", "mail", "rates", "reach")}
"""Where what reads a variable is defined."""
NOT_OURS = {"HF_HOME", "PYTHONUNBUFFERED"}


def written(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def settings_read() -> dict[str, ast.Call]:
    """The calls in settings.py that read a variable, by the variable's name."""
    tree = ast.parse(written("imagesearch/settings.py"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    readers = {alias.name for one in imports if one.module in READERS for alias in one.names}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    return {
        call.args[0].value: call
        for call in calls
        if call.func.id in readers and call.args and isinstance(call.args[0], ast.Constant)
    }


def server_variables() -> set[str]:
    """What gunicorn.conf.py reads."""
    return set(re.findall(r"(?:get|listening_address|whole_number)\(['\"]([A-Z_]+)['\"]", written("gunicorn.conf.py")))


def known_variables() -> set[str]:
    return set(settings_read()) | server_variables() | NOT_OURS


def example_names() -> set[str]:
    return set(re.findall(r"^#?([A-Z][A-Z0-9_]*)=", written(".env.example"), re.MULTILINE))


def settings_table(readme: str) -> dict[str, str]:
    """The defaults in the table of settings, by name."""
    return dict(re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \| (.+?) \|", written(readme), re.MULTILINE))


def compose() -> dict:
    return yaml.safe_load(written("compose.yaml"))


def dockerfile() -> str:
    return re.sub(r"\\\n\s*", "", written("Dockerfile"))


def test_the_settings_are_found():
    assert {"SECRET_KEY", "DATABASE_URL", "UPLOAD_MAX_MB", "EMBEDDING_TEXT_MODEL"} <= set(settings_read())
    assert server_variables() == {"HOST", "PORT", "WEB_CONCURRENCY", "CLIENT_CONNECTIONS"}


def test_the_example_has_every_setting_and_no_other():
    interpolated = set(re.findall(r"\$\{([A-Z_0-9]+)", written("compose.yaml")))
    assert example_names() == set(settings_read()) | interpolated


def test_the_example_changes_nothing_when_it_is_copied():
    assert [line for line in written(".env.example").splitlines() if line and not line.startswith("#")] == []


@pytest.mark.parametrize("readme", READMES)
class TestReadme:
    def test_its_table_has_every_setting_and_no_other(self, readme):
        assert set(settings_table(readme)) == set(settings_read())

    def test_it_tells_the_defaults_that_the_settings_have(self, readme):
        table = settings_table(readme)
        told = 0
        for name, call in settings_read().items():
            for keyword in call.keywords:
                if keyword.arg == "default" and isinstance(keyword.value, ast.Constant):
                    value = keyword.value.value
                    text = {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
                    assert table[name] == f"`{text}`", name
                    told += 1
        assert told >= 8

    def test_it_tells_the_bounds_of_numbers(self, readme):
        for name, call in settings_read().items():
            if call.func.id == "whole_number":
                constants = [one for one in call.keywords if isinstance(one.value, ast.Constant)]
                bounds = {keyword.arg: keyword.value.value for keyword in constants}
                row = next(line for line in written(readme).splitlines() if line.startswith(f"| `{name}`"))
                assert re.search(rf"\({bounds['least']}( to |~){bounds['most']}\)", row), row

    def test_it_names_what_the_server_reads(self, readme):
        missing = {name for name in server_variables() if f"`{name}`" not in written(readme)}
        assert missing == set()

    def test_it_names_every_make_target_and_no_other(self, readme):
        assert set(re.findall(r"(?:`|^    )make ([a-z-]+)", written(readme), re.MULTILINE)) == make_targets()

    def test_it_names_every_command_of_ours_and_no_unknown_one(self, readme):
        named = set(re.findall(r"manage\.py ([a-z_]+)", written(readme)))
        ours = {name for name, app in get_commands().items() if app == "search"} - {"demo"}
        assert ours <= named <= set(get_commands())

    def test_it_names_every_option_of_ingest(self, readme):
        parser = load_command_class("search", "ingest").create_parser("manage.py", "ingest")
        djangos = load_command_class("search", "reconcile").create_parser("manage.py", "reconcile")
        options = set(parser._option_string_actions) - set(djangos._option_string_actions)
        assert options == {option for option in options if f"`{option}" in written(readme)} != set()

    def test_it_names_every_column_of_a_metadata_table(self, readme):
        missing = {column for column in ("path", "tags", *_TEXT_COLUMNS) if f"`{column}`" not in written(readme)}
        assert missing == set()

    def test_it_links_to_files_that_are_there(self, readme):
        links = re.findall(r"\]\((?!https?:|#)([^)]+)\)", written(readme))
        assert len(links) > 5
        assert [link for link in links if not (ROOT / link).is_file()] == []

    def test_its_links_within_the_page_lead_to_headings(self, readme):
        headings = re.findall(r"^#+ (.+)$", written(readme), re.MULTILINE)
        anchors = {heading.lower().replace(" ", "-") for heading in headings}
        assert set(re.findall(r"\]\(#([^)]+)\)", written(readme))) <= anchors

    def test_it_tells_the_figures_that_the_code_has(self, readme):
        text = written(readme)
        assert f"pgvector {'.'.join(map(str, OLDEST_PGVECTOR))}" in text
        assert re.search(rf"\b{KEPT.days}( days|일)", text)

    def test_it_has_places_for_the_figures_that_are_filled_in(self, readme):
        for block in ("demo figures", "benchmarks"):
            assert written(readme).count(f"<!-- {block} -->\n") == written(readme).count(f"<!-- /{block} -->\n") == 1


def test_both_readmes_have_the_same_parts():
    def shape(readme: str) -> dict[str, list[str]]:
        text = written(readme)
        return {
            "headings": re.findall(r"^#+", text, re.MULTILINE),
            "links": sorted(re.findall(r"\]\(([^)#]+)\)", text.replace(".ko.md", ".md"))),
            "rows": re.findall(r"^\| *(`[^|]*`)? *\|?", text, re.MULTILINE),
            "lists": re.findall(r"^- ", text, re.MULTILINE),
            "commands": re.findall(r"^    (?:\S*/)?(make|cp|docker|manage|gunicorn|[A-Z_0-9]+=)", text, re.MULTILINE),
        }

    assert shape("README.md") == shape("README.ko.md")


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", written("Makefile"), re.MULTILINE))


def test_make_help_lists_every_target():
    command = ["make", "--no-print-directory", "help"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"demo", "test", "lint", "run", "help"} <= make_targets()
    assert set(re.findall(r"^  make ([a-z-]+) +\S", listed.stdout, re.MULTILINE)) == make_targets()


class TestImage:
    def test_it_copies_and_runs_what_is_there(self):
        sources = re.findall(r"^COPY (\S+) ", dockerfile(), re.MULTILINE)
        assert sources
        assert [source for source in sources if not (ROOT / source).exists()] == []
        assert set(re.findall(r"python manage\.py ([a-z_]+)", dockerfile())) <= set(get_commands())
        assert re.search(r"^torch==\S+$", written("requirements.txt"), re.MULTILINE)

    def test_it_sets_known_variables(self):
        lines = re.findall(r"^ENV (.*)$", dockerfile(), re.MULTILINE)
        names = set(re.findall(r"([A-Z_]+)=", " ".join(lines)))
        assert {"DEBUG", "HOST"} <= {name for name in names if not name.startswith("PIP_")} <= known_variables()

    def test_no_volume_hides_the_static_files(self):
        volumes = [Path(path) for path in re.findall(r'"(/[^"]+)"', re.search(r"VOLUME (.*)", dockerfile())[1])]
        data = Path("/app/var")  # DATA_DIR by default
        assert 'STATIC_ROOT = DATA_DIR / "static"' in written("imagesearch/settings.py")
        assert data / "media" in volumes
        assert [volume for volume in volumes if (data / "static").is_relative_to(volume)] == []

    def test_the_context_has_what_runs_and_nothing_private(self):
        ignored = [line.rstrip("/") for line in written(".dockerignore").splitlines() if line and line[0] != "#"]

        def left_out(name: str) -> bool:
            return any(fnmatch(name, pattern) for pattern in ignored)

        parts = [
            "manage.py",
            "gunicorn.conf.py",
            "requirements.txt",
            "imagesearch",
            "search",
            "templates",
            "static",
            "locale",
        ]
        assert [name for name in parts if left_out(name) or not (ROOT / name).exists()] == []
        assert [name for name in (".env", ".git", ".venv", "var", "tests") if not left_out(name)] == []


class TestCompose:
    def test_it_sets_known_variables(self):
        assert set(compose()["services"]["web"]["environment"]) <= known_variables()

    @pytest.mark.parametrize(
        "secret", ["SECRET_KEY", "POSTGRES_PASSWORD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
    )
    def test_it_stops_without_a_secret(self, secret):
        uses = re.findall(rf"\$\{{{secret}(\S*)", written("compose.yaml"))
        assert uses
        assert [use for use in uses if not use.startswith(":?")] == []

    def test_its_parts_know_each_other(self):
        services = compose()["services"]
        checked = {name for name, service in services.items() if "healthcheck" in service}
        for service in services.values():
            assert set(service.get("depends_on", {})) <= checked
            assert {volume.split(":")[0] for volume in service["volumes"]} <= set(compose()["volumes"])
        addresses = str(services["web"]["environment"])
        assert set(re.findall(r"(?:@|http://)(\w+):(?:5432|7070)\b", addresses)) - {"localhost"} == checked

    def test_its_database_is_recent_enough(self):
        version = re.match(r"pgvector/pgvector:([\d.]+)-pg(\d+)", compose()["services"]["database"]["image"])
        assert tuple(int(part) for part in version[1].split(".")) >= OLDEST_PGVECTOR
        assert int(version[2]) >= 16

    def test_what_web_runs_first_is_there(self):
        script = compose()["services"]["web"]["command"][2]
        assert set(re.findall(r"python manage\.py ([a-z_]+)", script)) == {"migrate"}
        ast.parse(re.search(r"<<'END'\n(.*?)\nEND\n", script, re.DOTALL)[1])
