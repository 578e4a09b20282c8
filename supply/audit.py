"""`python -m supply.audit PIP_AUDIT`: whether anything is known against what is locked.

Exit status 0 where nothing is, 1 where something is, 3 where the service of advisories does not answer for some.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from supply import BASE, locked, wanted


def asked() -> str:
    """Return name and version of all that is locked, and of torch."""
    pinned = {f"{one.name}=={one.version}" for one in locked(BASE / "requirements.lock")}
    # One version of each; where the lock has two, for different Pythons, the later one.
    versions = dict(one.split("==") for one in sorted(pinned))
    torch = next(one for one in wanted(BASE / "requirements.txt") if one.name == "torch")
    return "".join(f"{name}=={version}\n" for name, version in versions.items()) + f"{torch}\n"


def judged(report: dict[str, Any]) -> tuple[int, list[str]]:
    """Return the exit status for what pip-audit has found, and what is to be said of it."""
    parts = report["dependencies"]
    known = [
        f"{part['name']} {part['version']}: {found['id']}, fixed in {', '.join(found['fix_versions']) or 'none'}."
        for part in parts
        for found in part.get("vulns", ())
    ]
    skipped = [part["name"] for part in parts if "skip_reason" in part]
    if known:
        return 1, known
    if len(skipped) == len(parts):
        return 3, ["The service of advisories does not answer from here: nothing is known of any package."]
    if skipped:
        return 3, [
            f"The service of advisories knows nothing of {', '.join(skipped)}; nothing is known against the rest."
        ]
    return 0, [f"Nothing is known against any of {len(parts)} packages."]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        named = Path(folder) / "requirements.txt"
        named.write_text(asked())
        command = [
            sys.argv[1],
            "-r",
            str(named),
            "--no-deps",
            "--disable-pip",
            "-f",
            "json",
            "--progress-spinner",
            "off",
        ]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        status, said = judged(json.loads(ended.stdout))
    except ValueError:
        last = (ended.stderr.strip().splitlines() or ["no word"])[-1]
        status, said = 3, [f"The service of advisories does not answer from here: {last}"]
    print("\n".join(said))
    sys.exit(status)


if __name__ == "__main__":
    main()
