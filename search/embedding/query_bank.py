"""Generic queries in several languages: common ones, and ones that few collections match."""

import csv
from pathlib import Path

FILE = Path(__file__).with_name("query_bank.tsv")


def queries() -> dict[str, list[str]]:
    """Return the queries by language, in the same order for each."""
    with FILE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return {language: [row[language] for row in rows] for language in rows[0]}
