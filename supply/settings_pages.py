"""`python -m supply.settings_pages`: write docs/settings.md in both languages, and .env.example.

Names, defaults and bounds come from the code; docs/settings.toml has the descriptions, in both languages.
"""

import ast
import re
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from supply import BASE

SOURCES = ("imagesearch/settings.py", "gunicorn.conf.py")
"""Files that read variables, in this order: those that only the second one reads are left out of .env.example."""
READERS = {f"imagesearch.{name}" for name in ("environment", "mail", "rate_settings", "sign_up_policy", "s3_sources")}
"""Modules that define the functions which read a variable."""
LANGUAGES = ("en", "ko")
WORDS = BASE / "docs" / "settings.toml"
_WIDTH = 119
_HEADS = {
    "en": """# Settings

*[한국어](settings.ko.md)*

All come from the environment or from `.env`, where the environment wins. A wrong value stops the start with its name,
its value and how to fix it. Switches are `on` or `off`; lists are separated by commas. `make docs` writes this page.

""",
    "ko": """# 설정

*[English](settings.md)*

모두 환경 변수나 `.env`에서 읽으며, 둘 다 있으면 환경 변수를 씁니다. 값이 잘못되면 이름과 값, 고치는 법을 알리고
시작하지 않습니다. 켜고 끄는 것은 `on`과 `off`로 적고, 목록은 쉼표로 나눕니다. 이 문서는 `make docs`가 만듭니다.

""",
}
_COLUMNS = {"en": "| name | default | meaning |", "ko": "| 이름 | 기본값 | 뜻 |"}
_ENDS = {
    "en": """The variables of the Hugging Face client count too, such as `HF_HOME` (where models are cached) and
`HF_HUB_OFFLINE`.
""",
    "ko": """모델 캐시 위치인 `HF_HOME`이나 `HF_HUB_OFFLINE` 같은 Hugging Face 클라이언트의 변수도 그대로 통합니다.
""",
}
_EXAMPLE = """\
# Copy this file to `.env`; every line in it may stay a comment. What the environment already has wins over it.
# Write NAME=value, one a line. A comment needs a line of its own: after a value it would be part of the value.
# A wrong value stops the start with its name, its value and how to fix it. `make docs` writes this file.
"""
_NO_DEFAULT = {"en": "none", "ko": "없음"}


@dataclass(frozen=True, slots=True)
class Read:
    """Default and bounds of a variable in the code; None where the code has no literal."""

    default: str | None
    bounds: tuple[int, int] | None


def read_by(source: str) -> dict[str, Read]:
    """Return the variables that a source file reads, in its order, by name."""
    tree = ast.parse((BASE / source).read_text("utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module in READERS]
    readers = {alias.name for one in imports for alias in one.names}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    return {
        name: _read(call)
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id in readers
        if (name := _constant(call.args[0] if call.args else None)) and re.fullmatch(r"[A-Z][A-Z0-9_]+", str(name))
    }


def _read(call: ast.Call) -> Read:
    arguments = {one.arg: _constant(one.value) for one in call.keywords}
    bounds = (arguments["least"], arguments["most"]) if isinstance(arguments.get("least"), int) else None
    default = arguments.get("default")
    text = ("on" if default else "off") if isinstance(default, bool) else str(default)
    return Read(None if default is None else text, bounds)


def _constant(node: ast.expr | None) -> Any:
    return node.value if isinstance(node, ast.Constant) else None


@dataclass(frozen=True, slots=True)
class Setting:
    """A row of the tables."""

    name: str
    code: Read
    described: Mapping[str, Any]

    def default(self, language: str) -> str:
        if self.code.default is not None:
            return f"`{self.code.default}`"
        text = self.described.get("default", _NO_DEFAULT)
        return str(text if isinstance(text, str) else text[language])

    def bounds(self, language: str) -> str:
        if not self.code.bounds:
            return ""
        least, most = self.code.bounds
        return f" ({least} to {most})" if language == "en" else f" ({least}~{most})"

    def row(self, language: str) -> str:
        return f"| `{self.name}` | {self.default(language)}{self.bounds(language)} | {self.described[language]} |"

    def example(self) -> str:
        """Return its lines in .env.example."""
        described = _plain(self.described["en"])
        default = f"Default: {_plain(self.default('en'))}{self.bounds('en')}."
        value = self.described.get("example", self.default("en").strip("`"))
        return "\n".join([*_commented(f"{described[0].upper()}{described[1:]}. {default}"), f"#{self.name}={value}"])


@dataclass(frozen=True, slots=True)
class Part:
    """A table of the pages, with its heading."""

    described: Mapping[str, Any]
    settings: tuple[Setting, ...]

    def about(self, language: str) -> str:
        return str(self.described["about"][language]) if "about" in self.described else ""


def parts() -> list[Part]:
    """Return the described settings with the code's defaults and bounds; without these where the code doesn't read
    it."""
    of_code = {name: one for source in reversed(SOURCES) for name, one in read_by(source).items()}
    unknown = Read(None, None)
    return [
        Part(
            part,
            tuple(
                # Compose has variables of its own.
                Setting(name, unknown if key == "compose" else of_code.get(name, unknown), described)
                for name, described in part.items()
                if name.isupper()
            ),
        )
        for key, part in tomllib.loads(WORDS.read_text("utf-8")).items()
    ]


def page(language: str) -> str:
    return _HEADS[language] + "\n".join(_tables(language)) + "\n" + _ENDS[language]


def _tables(language: str) -> Iterator[str]:
    for part in parts():
        yield f"## {part.described[language]}\n"
        if about := part.about(language):
            yield about + "\n"
        yield f"{_COLUMNS[language]}\n|---|---|---|"
        yield from (one.row(language) for one in part.settings)
        yield ""


def example() -> str:
    """Return the text of .env.example: all settings for a `.env`, as comments."""
    lines = [_EXAMPLE]
    for part in parts():
        if all(one.name in read_by(SOURCES[1]) for one in part.settings):
            continue
        lines.append(f"# --- {part.described['en']} ".ljust(_WIDTH, "-") + "\n")
        if about := part.about("en"):
            lines.append("\n".join(_commented(_plain(about))) + "\n")
        lines += [one.example() + "\n" for one in part.settings]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Return Markdown without links: their texts, or the target of "more"."""
    text = re.sub(r"\[more\]\((\w+\.md)\)", r"docs/\1", text)
    return re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)


def _commented(text: str) -> list[str]:
    lines = textwrap.wrap(text, _WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    return [f"# {line}" for line in lines]


def files() -> dict[str, str]:
    """Return the contents of each generated file, by its path in the repository."""
    return {"docs/settings.md": page("en"), "docs/settings.ko.md": page("ko"), ".env.example": example()}


def main() -> None:
    for path, text in files().items():
        (BASE / path).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
