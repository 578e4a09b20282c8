"""Whether two builds produce the same HTML, except for the filter panel, which newer ones load on demand."""

import re
from collections.abc import Iterator
from difflib import unified_diff
from html.parser import HTMLParser

_VOID = {"input", "img", "link", "meta", "br", "image", "use"}
_OF_ONE_ANSWER = re.compile(r"\.[0-9a-f]{12}(?=\.(css|js|svg)\b)|(?<=[?&]seen=)\d+")
"""What may differ between two builds and responses: hashes of files, and the arrival number."""


class _Lines(HTMLParser):
    """One line for each tag and text, normalised for white space and the order of attributes."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = []
        self._left_out: list[str] = []
        """The element being skipped, and those open within it."""
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        told = {name: " ".join((value or "").split()) for name, value in attributes}
        classes = set(told.get("class", "").split())
        if self._left_out or classes & {"filters-panel", "filters-link"}:
            self._left_out += [] if tag in _VOID else [tag]
            return
        if told.get("name") == "csrfmiddlewaretoken":
            told["value"] = ""
        if told.get("id") == "filters":
            told["class"] = "filters"
        named = " ".join(f'{name}="{_OF_ONE_ANSWER.sub("", value)}"' for name, value in sorted(told.items()))
        self.lines.append(f"<{tag} {named}>")

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        if self._left_out:
            self._left_out.pop()
            return
        self.lines.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        if text and not self._left_out:
            self.lines.append(text)


def differences(old: str, new: str) -> Iterator[str]:
    """Yield the lines in which two pages differ."""
    found = unified_diff(_Lines(old).lines, _Lines(new).lines, lineterm="", n=0)
    return (line for line in found if not line.startswith(("---", "+++", "@@")))
