"""`python -m supply.audit PIP_AUDIT`: check the locked packages for known vulnerabilities.

Exit status 0 for none, 1 for some, 3 where the advisory service does not answer for some packages.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from supply import BASE, locked, requirements_in


def locked_requirements() -> str:
    """Return the requirements of all locked packages and torch."""
    pinned = {f"{one.name}=={one.version}" for one in locked(BASE / "requirements.lock")}
    # One version of each; if the lock has two, for different Pythons, the later one.
    versions = dict(one.split("==") for one in sorted(pinned))
    torch = next(one for one in requirements_in(BASE / "requirements.txt") if one.name == "torch")
    return "".join(f"{name}=={version}\n" for name, version in versions.items()) + f"{torch}\n"


def verdict(report: dict[str, Any]) -> tuple[int, list[str]]:
    """Return the exit status for pip-audit's report, and the lines to print."""
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
        return 3, ["The advisory service does not answer: no package could be checked."]
    if skipped:
        return 3, [f"The advisory service does not know {', '.join(skipped)}; no known vulnerabilities in the rest."]
    return 0, [f"No known vulnerabilities in {len(parts)} packages."]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        named = Path(folder) / "requirements.txt"
        named.write_text(locked_requirements())
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
        status, said = verdict(json.loads(ended.stdout))
    except ValueError:
        last = (ended.stderr.strip().splitlines() or ["no word"])[-1]
        status, said = 3, [f"The advisory service does not answer: {last}"]
    print("\n".join(said))
    sys.exit(status)


if __name__ == "__main__":
    main()
