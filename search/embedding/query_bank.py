"""Generic queries in several languages: what people look for in any collection, and what few collections hold."""

import csv
from pathlib import Path

FILE = Path(__file__).with_name("query_bank.tsv")


def queries() -> dict[str, list[str]]:
    """Return the bank by language, every language in the same order."""
    with FILE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return {language: [row[language] for row in rows] for language in rows[0]}
