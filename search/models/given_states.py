"""Pictures and their states as parameters of SQL statements. Equal states of many pictures are sent and read once."""

import json
import uuid
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from search.models.sql_statements import id_array

State: TypeAlias = Mapping[str, Any]


class Row(NamedTuple):
    """The change of one picture: values before and after. Rows that share these objects are written faster."""

    image_id: uuid.UUID
    before: State
    after: State


OWN = "unnest(%s::uuid[], %s::bigint[]) AS own (id, number)"
STATES = "jsonb_array_elements(%s::jsonb) WITH ORDINALITY AS its (after, number)"
GIVEN = f"(SELECT own.id, its.after FROM {OWN} JOIN {STATES} USING (number)) AS its"  # noqa: S608 - constants
"""A table of ids and JSON values. Its parameters are a `Given`'s."""


class Given(NamedTuple):
    """For each picture its id and the number of its value in a JSON array, from 1 on."""

    ids: str
    numbers: str
    values: str


def given(rows: Collection[Row], keys: Sequence[Hashable], values: Sequence[Any]) -> Given:
    """Return these values of the rows' pictures, those with equal keys once."""
    number_of: dict[Hashable, int] = {}
    numbers = [number_of.setdefault(key, len(number_of) + 1) for key in keys]
    distinct = dict(zip(numbers, values, strict=True))
    return Given(
        id_array(row.image_id for row in rows),
        "{" + ",".join(map(str, numbers)) + "}",
        json.dumps([distinct[number] for number in range(1, len(distinct) + 1)], ensure_ascii=False),
    )


def changes_of(rows: Collection[Row]) -> Given:
    """Return the pairs of states before and after."""
    keys = [(id(row.before), id(row.after)) for row in rows]
    return given(rows, keys, [(row.before, row.after) for row in rows])


class After:
    """What these rows' pictures become: parameters, and the columns that any and that all of them set."""

    def __init__(self, rows: Collection[Row]) -> None:
        self.given = given(rows, [id(row.after) for row in rows], [row.after for row in rows])
        self.count = len(rows)
        self.states = list({id(row.after): row.after for row in rows}.values())
        self.names = frozenset().union(*self.states)
        self.always = self.names.intersection(*self.states)

    def assignments(self, table: str, columns: Mapping[str, str]) -> str:
        """Return SQL that sets these columns of a table to the values of the same names in `its`, where a state has
        one. The keys are columns, the values names in states."""
        found = []
        for column, name in sorted(columns.items()):
            value = f"its.{column}"
            if name not in self.always:
                value = f"CASE WHEN its.after ? '{name}' THEN {value} ELSE {table}.{column} END"
            found.append(f"{column} = {value}")
        return ", ".join(found)
