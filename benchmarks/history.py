"""The cost of history when up to 10,000 pictures are tagged: none, statement-level triggers as in django-pghistory
(3.9.2, `UpdateEvent(level=Statement)`, without the vectors), and ours. And the cost of triggers when vectors change.

`python -m benchmarks.history [--rows 20000] [--rounds 3]`, with its own embedded database.
"""

import argparse
import statistics
from collections import defaultdict
from typing import Any

from benchmarks.report import table
from benchmarks.separate_process import apart

COLUMNS = "title, description, source_link, author, licence, tags, uploader_id, hidden"
TRIGGER = f"""
CREATE TABLE event AS SELECT id AS pgh_obj_id, now() AS pgh_created, ''::text AS pgh_label, {COLUMNS}
FROM search_image WITH NO DATA;
ALTER TABLE event ADD COLUMN pgh_id bigserial PRIMARY KEY;
CREATE INDEX ON event (pgh_obj_id);
CREATE FUNCTION keep_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO event (pgh_obj_id, pgh_created, pgh_label, {COLUMNS})
    SELECT new_values.id, now(), 'update', {", ".join(f"new_values.{name}" for name in COLUMNS.split(", "))}
    FROM new_values JOIN old_values ON old_values.id = new_values.id
    WHERE ({", ".join(f"old_values.{name}" for name in COLUMNS.split(", "))})
        IS DISTINCT FROM ({", ".join(f"new_values.{name}" for name in COLUMNS.split(", "))});
    RETURN NULL;
END $$;
CREATE TRIGGER keep_event AFTER UPDATE ON search_image REFERENCING OLD TABLE AS old_values NEW TABLE AS new_values
FOR EACH STATEMENT EXECUTE FUNCTION keep_event();
"""
HOW = ("none", "triggers", "ours")
MOST = 10_000


def work(rows: int, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of processor time, of Python and the database server, per step and round."""
    from django.contrib.auth.models import User  # noqa: PLC0415

    from benchmarks.edits_worker import Worker, processor_time  # noqa: PLC0415
    from search.curation import Tag, change, undo  # noqa: PLC0415
    from search.embedding import active_model  # noqa: PLC0415
    from search.models import Image  # noqa: PLC0415

    worker = Worker()
    worker.copy(0, rows, active_model())
    worker.sql("VACUUM ANALYZE search_image")
    ada = User.objects.create_user("ada")
    [(backend,)] = worker.sql("SELECT pg_backend_pid()")
    ids = list(Image.objects.order_by("pk").values_list("pk", flat=True)[: min(rows, MOST)])
    found: dict[str, list[float]] = defaultdict(list)

    def timed(name: str, call: Any) -> Any:
        import time  # noqa: PLC0415

        before = time.process_time() + processor_time(backend)
        made = call()
        found[name].append(time.process_time() + processor_time(backend) - before)
        return made

    with worker.connection.cursor() as cursor:
        cursor.execute(TRIGGER)
        for turn in range(rounds):
            for how in HOW:
                state = "ENABLE" if how == "triggers" else "DISABLE"
                cursor.execute(f"ALTER TABLE search_image {state} TRIGGER keep_event")
                tag = f"{how} {turn}"
                if how == "ours":
                    made = timed("ours, tags", lambda tag=tag: change(ids, Tag([tag]), by=ada))
                    timed("ours, undone", lambda made=made: undo(made, by=ada))
                    continue
                update = Image.objects.filter(pk__any_of=ids)
                timed(f"{how}, tags", lambda tag=tag, update=update: update.update(tags=["filler", tag]))
                sql = "UPDATE search_image SET embedding = embedding WHERE id = ANY(%s)"
                timed(f"{how}, vectors", lambda sql=sql: cursor.execute(sql, [ids]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history", description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    found = apart("history", options.rows, options.rounds)
    many = f"{min(options.rows, MOST):,} pictures"
    print(table([many, "processor s"], [[name, f"{statistics.median(each):.2f}"] for name, each in found.items()]))


if __name__ == "__main__":
    main()
