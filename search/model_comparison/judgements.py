"""The curators' judgements as a labelled set, and as the table that `manage.py compare_models` reads."""

import csv
from collections.abc import Iterator
from typing import IO, Any

from search.model_comparison.labelled import Labelled
from search.models import Judgement

COLUMNS = ("query", "language", "id", "grade", "judge", "judged")


def labelled_by_curators() -> Labelled:
    labelled = Labelled("the curators' judgements")
    for row in _rows():
        labelled.add(f"judgement of {row[2]}", row[0], row[1], row[2], row[3])
    return labelled


def write_judgements(file: IO[str]) -> int:
    """Write all judgements as CSV; return how many there are."""
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    count = 0
    for row in _rows():
        writer.writerow(row)
        count += 1
    return count


def _rows() -> Iterator[list[Any]]:
    judgements = Judgement.all_in_order().values_list(
        "query", "language", "image", "grade", "judge__username", "judged"
    )
    for query, language, image, grade, judge, judged in judgements.iterator():
        yield [query, language, str(image), grade, judge or "", judged.isoformat(timespec="seconds")]
