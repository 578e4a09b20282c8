"""Runs work in a separate process, with a temporary embedded database."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

BASE = Path(__file__).resolve().parent.parent


def apart(module: str, *arguments: object) -> Any:
    """Return the result of `work(*arguments)` of this benchmark module. Arguments are passed as literals: numbers and
    strings."""
    with tempfile.TemporaryDirectory(prefix=f"{module}-") as data:
        code = (
            "import sys; from benchmarks import edits_worker; edits_worker.sys.stdin = []; "
            f"edits_worker.main({str(BASE)!r}, {data!r}); from benchmarks.{module} import work; import json; "
            f"print(json.dumps(work(*{arguments!r})))"
        )
        answer = subprocess.run([sys.executable, "-c", code], cwd=BASE, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(answer.stdout.splitlines()[-1])
