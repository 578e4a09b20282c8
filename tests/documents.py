"""What the documents tell readers to type: commands, settings, SQL and single options."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    *(ROOT / name for name in ("README.md", "README.ko.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
"""Without CHANGELOG: commands that it mentions may have been removed since."""
PROGRAMS = {"cp", "curl", "docker", "gunicorn", "make", "manage.py", "pg_ctl", "pg_dump", "pip", "python"}
SHELLS = {"console", "bash", "sh"}
_INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_SETTING = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")


@dataclass(frozen=True)
class Block:
    """Lines of a document formatted as code, with the language of the fence, if there is one."""

    document: str
    language: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Command:
    """One command, as words, without what only the shell handles and without settings before it."""

    words: tuple[str, ...]
    documents: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join(self.words)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> Iterator[Block]:
    """Fenced code, and paragraphs indented by four spaces; not the continuation of a list item."""
    language, lines = None, []
    before = ""
    for line in [*page.read_text("utf-8").splitlines(), ""]:
        fence = re.match(r"```(\w*)", line)
        if language is not None or fence:
            if not fence:
                lines.append(line)
            elif language is None:
                language, lines = fence[1], []
            else:
                yield Block(name_of(page), language, tuple(lines))
                language, lines = None, []
        elif re.match(r"    \S", line) and (lines or not before):
            lines.append(line[4:])
        elif lines:
            yield Block(name_of(page), "", tuple(lines))
            lines = []
        before = line


def blocks_in_lists(page: Path) -> list[list[str]]:
    """Code indented below a list item: fragments of configuration files."""
    paragraphs = page.read_text("utf-8").split("\n\n")
    lines = [one.splitlines() for one in paragraphs if one.startswith("      ")]
    return [[line[6:] for line in one] for one in lines if all(line.startswith("      ") for line in one)]


def prose(page: Path) -> list[str]:
    """Paragraphs, list items and table rows, each as one line."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^    \S.*$", "", text, flags=re.MULTILINE)
    parts = re.split(r"\n\s*\n|\n(?=\s*(?:-|\d+\.|\|) ?)", text)
    return [" ".join(part.split()) for part in parts]


def inline(page: Path) -> Iterator[str]:
    """Inline code."""
    for part in prose(page):
        yield from _INLINE.findall(part)


def without_comment(line: str) -> str:
    return re.sub(r"\s+(?:#|--) .*$", "", line).strip()


def shell_lines(block: Block) -> list[str]:
    """The lines of a block that a shell would run."""
    lines = [without_comment(line) for line in block.lines]
    return [line for line in lines if line and (block.language in SHELLS or program_of(line) in PROGRAMS)]


def parts_of(line: str) -> list[list[str]]:
    """The commands of a line, separated by `&&`, `||`, `;` or `|`, without redirections and cron's schedule."""
    lexer = shlex.shlex(re.sub(r"^(?:[\d*/]+ ){5,}\s*", "", line), posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    commands: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set("&|;"):
            commands.append([])
        else:
            commands[-1].append(word)
    return [_without_redirections(words) for words in commands if words]


def _without_redirections(words: list[str]) -> list[str]:
    return words[: words.index(">")] if ">" in words else words


def program_of(line: str) -> str:
    """The program that a line runs; "" if it is not one of `PROGRAMS`."""
    try:
        found = [_named(words) for words in parts_of(line)]
    except ValueError:  # a quotation mark in a text
        return ""
    return next((words[0] for words in found if words and words[0] in PROGRAMS), "")


def _named(words: list[str]) -> list[str]:
    """Without settings before it, with the program's plain name: `manage.py`, `python`, `gunicorn`."""
    while words and _SETTING.fullmatch(words[0]):
        words = words[1:]
    if words and words[0].startswith(".venv/bin/"):
        words = [words[0].removeprefix(".venv/bin/"), *words[1:]]
    return words[1:] if words[:2] == ["python", "manage.py"] else words


def command_lines() -> dict[str, list[str]]:
    """All lines with commands, in the order of the documents, with the documents that contain them."""
    found: dict[str, list[str]] = {}
    for page in PAGES:
        lines = [line for block in blocks(page) for line in shell_lines(block)]
        lines += [one for one in inline(page) if program_of(one) and len(one.split()) > 1]
        for line in lines:
            found.setdefault(line, []).append(name_of(page))
    return found


def commands() -> list[Command]:
    """Each command of the documents, once."""
    found: dict[tuple[str, ...], list[str]] = {}
    for line, pages in command_lines().items():
        for words in map(_named, parts_of(line)):
            if words and words[0] != "cd":
                found.setdefault(tuple(words), []).extend(pages)
    return [Command(words, tuple(dict.fromkeys(pages))) for words, pages in found.items()]


def settings_blocks() -> list[tuple[str, dict[str, str]]]:
    """Each block that is part of a `.env`, and each inline `NAME=value`, with the document that contains it."""
    found = []
    for page in PAGES:
        for block in blocks(page):
            pairs = [_SETTING.fullmatch(without_comment(line)) for line in block.lines]
            if all(pairs):
                found.append((block.document, {one[1]: one[2] for one in pairs if one}))
        alone = (_SETTING.fullmatch(one) for one in inline(page))
        found += [(name_of(page), {pair[1]: pair[2]}) for pair in alone if pair and pair[2]]
    return found
