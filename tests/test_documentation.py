"""The documentation and the Docker files name everything that exists, and nothing else."""

import ast
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml
from django.core.management import get_commands, load_command_class

from search.checks import OLDEST_PGVECTOR
from search.ingestion.metadata_tables import table_details
from search.models.query_pictures import KEPT
from supply.settings_pages import SOURCES, Read, files, parts, read_by

ROOT = Path(__file__).resolve().parent.parent
READMES = ["README.md", "README.ko.md"]
LONGEST = 180
"""Maximum lines of a README."""
BILINGUAL = [
    *("access", "api", "backup", "commands", "curate", "duplicates", "figures", "ingest", "install", "map", "privacy"),
    *("search", "settings", "state", "tags"),
]
"""Pages of docs/ in English and in Korean."""
DESIGN = sorted(f"design/{path.name}" for path in (ROOT / "docs/design").glob("*.md"))
"""The files of docs/ with the decision records."""
NOT_OURS = {"HF_HOME", "PYTHONUNBUFFERED"}


def written(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def settings_read() -> dict[str, Read]:
    """The variables that settings.py reads, by name."""
    return read_by(SOURCES[0])


def server_variables() -> set[str]:
    """The variables that gunicorn.conf.py reads."""
    return set(read_by(SOURCES[1]))


def ending(readme: str) -> str:
    """The suffix of pages in the language of `readme`."""
    return readme.removeprefix("README")


def page(name: str, readme: str) -> str:
    """The page of docs/ of this name, in the language of `readme`."""
    return f"docs/{name}{ending(readme)}"


def pages(readme: str) -> list[str]:
    """The pages in the language of `readme`."""
    return [readme, *(page(name, readme) for name in BILINGUAL)]


def documents() -> list[str]:
    """All documents."""
    return ["CHANGELOG.md", *READMES, *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))]


def anchors(document: str) -> set[str]:
    """The anchors of a document, derived from its headings as GitHub does."""
    headings = re.findall(r"^#+ (.+)$", written(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(document: str) -> list[tuple[str, str]]:
    """The links of a document within the repository, as path from the root and anchor."""
    found = []
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", written(document)):
        path, _, anchor = target.partition("#")
        there = (ROOT / document).parent / path if path else ROOT / document
        found.append((str(there.resolve().relative_to(ROOT)), anchor))
    return found


def known_variables() -> set[str]:
    return set(settings_read()) | server_variables() | NOT_OURS


def example_names() -> set[str]:
    return set(re.findall(r"^#?([A-Z][A-Z0-9_]*)=", written(".env.example"), re.MULTILINE))


def compose() -> dict:
    return yaml.safe_load(written("compose.yaml"))


def dockerfile() -> str:
    return re.sub(r"\\\n\s*", "", written("Dockerfile"))


def test_the_variables_of_settings_are_found():
    assert {"SECRET_KEY", "DATABASE_URL", "UPLOAD_MAX_MB", "EMBEDDING_TEXT_MODEL"} <= set(settings_read())
    assert server_variables() == {"HOST", "PORT", "WEB_CONCURRENCY", "CLIENT_CONNECTIONS"}


def test_every_setting_is_documented_and_no_other():
    interpolated = set(re.findall(r"\$\{([A-Z_0-9]+)", written("compose.yaml")))
    told = [one.name for part in parts() for one in part.settings]
    assert set(told) == set(settings_read()) | server_variables() | interpolated
    assert sorted(told) == sorted([*set(told), "PORT"])  # PORT is documented for the server and for Compose
    assert example_names() == set(settings_read()) | interpolated


def test_defaults_in_the_code_are_not_repeated_in_descriptions():
    parts_of_code = [one for part in parts() for one in part.settings if one.code.default is not None]
    assert len(parts_of_code) > 50
    assert [one.name for one in parts_of_code if "default" in one.described] == []


@pytest.mark.parametrize("path", list(files()))
def test_the_generated_documentation_of_settings_is_up_to_date(path):
    assert written(path) == files()[path], "run `make docs`"


def test_the_example_env_file_sets_nothing():
    assert [line for line in written(".env.example").splitlines() if line and not line.startswith("#")] == []


class RecordingRow(dict):
    """A table row that records which columns are read."""

    def __init__(self):
        super().__init__()
        self.columns = set()

    def get(self, key, default=None):
        self.columns.add(key)
        return default


@pytest.mark.parametrize("readme", READMES)
class TestPagesOfALanguage:
    """The README and its pages in docs/, in one language."""

    def test_the_readme_is_short(self, readme):
        assert len(written(readme).splitlines()) <= LONGEST

    @pytest.mark.parametrize("name", ["install", "settings"])
    def test_it_names_the_variables_of_the_server(self, readme, name):
        missing = {variable for variable in server_variables() if f"`{variable}`" not in written(page(name, readme))}
        assert missing == set()

    def test_it_names_no_unknown_setting(self, readme):
        known = known_variables()
        prefixes = {name.split("_")[0] for name in settings_read() if "_" in name} - {"MODEL"}
        for name in pages(readme):
            named = set(re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=[^`]*)?`", written(name)))
            ours = {one for one in named if one.split("_")[0] in prefixes}
            assert ours - known <= {"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"}, name  # boto3 reads these

    def test_it_names_every_make_target_and_no_other(self, readme):
        text = "\n".join(map(written, pages(readme)))
        assert set(re.findall(r"(?:`|^    )make ([a-z-]+)", text, re.MULTILINE)) == make_targets()

    def test_it_names_all_of_our_commands(self, readme):
        ours = {name for name, app in get_commands().items() if app == "search"} - {"demo"}
        named = {name for one in pages(readme) for name in re.findall(r"manage\.py ([a-z_]+)", written(one))}
        assert ours <= named

    def test_the_page_of_ingest_names_all_options(self, readme):
        parser = load_command_class("search", "ingest").create_parser("manage.py", "ingest")
        djangos = load_command_class("search", "reconcile").create_parser("manage.py", "reconcile")
        options = set(parser._option_string_actions) - set(djangos._option_string_actions)
        told = written(page("ingest", readme))
        assert options == {option for option in options if f"`{option}" in told} != set()

    def test_the_page_of_ingest_names_all_columns_of_a_metadata_table_and_no_other(self, readme):
        asked = RecordingRow()
        table_details(asked)
        told = written(page("ingest", readme))
        _, rows = re.split(r"^\| (?:column|열) \| \|\n", told, flags=re.MULTILINE)
        rows = rows.split("\n\n")[0]
        named = {name for row in rows.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])}
        assert named == asked.columns > {"title", "rating"}
        assert "`path`" in told

    def test_the_readme_links_to_every_page_in_its_language(self, readme):
        led_to = {path for path, _ in links(readme)}
        assert set(pages(readme)) - {readme} <= led_to
        others = {Path(path).name.split(".")[0] for path in documents() if Path(path).parent.name == "docs"}
        assert others - set(BILINGUAL) <= {path.rpartition("/")[2].split(".")[0] for path in led_to}

    def test_pages_link_to_pages_in_their_language(self, readme):
        others = {page(name, one) for name in BILINGUAL for one in READMES if one != readme}
        for name in pages(readme):
            in_other = [path for path, _ in links(name) if path in others]
            # Each page links to its translation, at its top.
            assert len(in_other) == (name != readme), name

    def test_its_figures_are_those_of_the_code(self, readme):
        assert f"pgvector {'.'.join(map(str, OLDEST_PGVECTOR))}" in written(page("install", readme))
        for name in (readme, page("privacy", readme)):
            assert re.search(rf"\b{KEPT.days}( days|일)", written(name)), name

    def test_it_has_markers_for_generated_figures(self, readme):
        text = written(page("figures", readme))
        for block in ("demo figures", "benchmarks"):
            assert text.count(f"<!-- {block} -->\n") == text.count(f"<!-- /{block} -->\n") == 1


@pytest.mark.parametrize("document", documents())
class TestLinks:
    def test_they_point_to_existing_files(self, document):
        assert [path for path, _ in links(document) if not (ROOT / path).is_file()] == []

    def test_they_point_to_existing_headings(self, document):
        into = [(path, anchor) for path, anchor in links(document) if anchor]
        assert [(path, anchor) for path, anchor in into if anchor not in anchors(path)] == []


@pytest.mark.parametrize("document", sorted(set(documents()) - {"CHANGELOG.md"}))
def test_no_document_names_an_unknown_command(document):
    named = set(re.findall(r"manage\.py ([a-z_]+)", written(document)))
    assert named - set(get_commands()) == set()


def test_links_and_anchors_are_found():
    assert len(links("README.md")) > 30
    assert ("docs/install.md", "docker") in links("README.md")
    assert "your-own-s3" in anchors("docs/install.md")


@pytest.mark.parametrize("name", ["README", *(f"docs/{name}" for name in BILINGUAL)])
def test_both_languages_have_the_same_parts(name):
    def shape(document: str) -> dict[str, list[str]]:
        text = written(document)
        return {
            "headings": re.findall(r"^#+", text, re.MULTILINE),
            "links": sorted(re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text.replace(".ko.md", ".md"))),
            "rows": re.findall(r"^\| *(`[^|]*`)? *\|?", text, re.MULTILINE),
            "lists": re.findall(r"^- ", text, re.MULTILINE),
            "commands": re.findall(r"^    (?:\S*/)?(make|cp|docker|manage|gunicorn|[A-Z_0-9]+=)", text, re.MULTILINE),
        }

    assert shape(f"{name}.md") == shape(f"{name}.ko.md")


@pytest.mark.parametrize("name", ["architecture.md", "contributing.md", "hand_written.md", "design.md", *DESIGN])
def test_paths_and_names_of_the_code_exist(name):
    """Paths, modules, and names that modules define."""
    text = written(f"docs/{name}")
    paths = set(re.findall(r"`((?:search|imagesearch|templates|tests|static|benchmarks|supply)/[\w./]*)`", text))
    assert len(paths) > (0 if name in DESIGN else 15)
    assert {path for path in paths if not (ROOT / path).exists()} == set()
    dotted = set(re.findall(r"`((?:search|imagesearch)(?:\.\w+)+)(?:\(\))?`", text))
    assert {one for one in dotted if not is_defined(one)} == set()


def test_every_decision_record_is_complete_and_in_the_index():
    listed = re.findall(r"^- \[(\d+)\. .+\]\((design/\w+\.md)#(\d+)-", written("docs/design.md"), re.MULTILINE)
    records = [
        (record.partition(".")[0], name, re.findall(r"^\*\*(.+?)\.\*\*", record, re.MULTILINE))
        for name in DESIGN
        for record in written(f"docs/{name}").split("\n## ")[1:]
    ]
    required = ["Context", "Choice", "What would change it"]
    assert [number for number, _, parts in records if [part for part in parts if part != "Figures"] != required] == []
    assert sorted((number, name, number) for number, name, _ in records) == sorted(listed)
    assert sorted(int(number) for number, _, _ in listed) == list(range(1, len(records) + 1))


def test_every_room_is_documented():
    text = written("docs/architecture.md")
    packages = {path.parent.name for path in (ROOT / "search").glob("*/__init__.py")} - {"migrations"}
    assert "retrieval" in packages
    assert {name for name in packages if f"`search/{name}/`" not in text} == set()


def is_defined(dotted: str) -> bool:
    """Whether there is a module with this name, or one that defines its last part."""
    path = ROOT.joinpath(*dotted.split("."))
    if path.with_suffix(".py").is_file() or (path / "__init__.py").is_file():
        return True
    source = path.parent.with_suffix(".py")
    source = source if source.is_file() else path.parent / "__init__.py"
    if not source.is_file():
        return False
    return (
        re.search(rf"^(?:(?:async )?def |class )?{path.name}\b", source.read_text("utf-8"), re.MULTILINE) is not None
    )


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", written("Makefile"), re.MULTILINE))


def test_make_help_lists_every_target():
    command = ["make", "--no-print-directory", "help"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"demo", "test", "lint", "run", "help"} <= make_targets()
    assert set(re.findall(r"^  make ([a-z-]+) +\S", listed.stdout, re.MULTILINE)) == make_targets()


class TestImage:
    def test_it_copies_existing_files_and_runs_existing_commands(self):
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

    def test_the_context_has_the_product_and_nothing_private(self):
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

    def test_its_services_and_volumes_are_consistent(self):
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

    def test_the_startup_script_of_web_is_valid(self):
        script = compose()["services"]["web"]["command"][2]
        assert set(re.findall(r"python manage\.py ([a-z_]+)", script)) == {"migrate"}
        ast.parse(re.search(r"<<'END'\n(.*?)\nEND\n", script, re.DOTALL)[1])
