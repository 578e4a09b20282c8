"""Select the members of an archive, or objects of a bucket, that are pictures."""

from collections.abc import Callable

from search.ingestion.sources.exclusions import NO_MEDIA, Rules
from search.ingestion.sources.file_names import (
    REDUNDANT,
    is_of_another_kind,
    is_picture_name,
    kind_of,
    parts_of,
    suffix_of,
)
from search.ingestion.sources.listing import Findings
from search.ingestion.sources.sniffing import is_picture


class Members:
    """Classifies names below `root`, an absolute path or an address, in the order in which they come.

    Names have slashes, or backslashes as in some ZIPs made on Windows. A `.nomedia` hides the rest of its folder from
    where it comes in that order.
    """

    def __init__(self, root: str, rules: Rules, findings: Findings) -> None:
        self._root, self._rules, self._findings = root, rules, findings
        self._not_shown: set[str] = set()

    def hides(self, name: str) -> None:
        """Skip a folder from now on if `name` is that of its `.nomedia`."""
        *folders, last = parts_of(name)
        if last == NO_MEDIA and not self._rules.include_hidden:
            self._not_shown.add("/".join(folders))

    def takes(self, name: str, head: Callable[[], bytes]) -> bool:
        """Whether a member is offered; `head` returns its first bytes, if the name is inconclusive."""
        wanted = self.wants(name)
        return self.takes_unknown(name, head()) if wanted is None else wanted

    def wants(self, name: str) -> bool | None:
        """Whether a member is offered, by its name; None if its first bytes must decide."""
        self.hides(name)
        parts = parts_of(name)
        if self._is_skipped(parts):
            self._findings.leave_alone([self._whole(name)])
            return False
        if is_picture_name(name):
            return True
        if is_of_another_kind(suffix_of(name)):
            self.passes(name)
            return False
        return None

    def takes_unknown(self, name: str, head: bytes) -> bool:
        """Whether a member with an inconclusive name is a picture."""
        if is_picture(head):
            return True
        self.passes(name)
        return False

    def passes(self, name: str) -> None:
        """Count a member of an unsupported kind."""
        self._findings.pass_by(self._whole(name), kind_of(suffix_of(name)))

    def passes_raw(self, name: str) -> None:
        """Count a RAW file that is skipped in favour of the camera's own picture."""
        self._findings.pass_by(self._whole(name), f"{kind_of(suffix_of(name))} {REDUNDANT}")

    def _whole(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _is_skipped(self, parts: list[str]) -> bool:
        if self._not_shown and any("/".join(parts[:depth]) in self._not_shown for depth in range(len(parts))):
            return True
        return self._rules.skips_any(self._root, parts)
