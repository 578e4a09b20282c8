"""gunicorn's configuration: `gunicorn imagesearch.wsgi`."""

import gc
import os
import sys
from contextlib import suppress
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from gunicorn.http import message

from imagesearch.environment import listening_address, whole_number
from imagesearch.garbage_collection import collect_less
from imagesearch.gunicorn_worker import KILLED_AFTER, Worker, hold_signals, leave_worker
from imagesearch.logs import GunicornLogger
from imagesearch.memory_and_cores import core_count

# NumPy's threads wait for the next multiplication by spinning: each search has one of 0.02 ms, and kept a second core
# busy for 15 ms. Read when NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Almost nothing allocated before the fork is garbage, and collecting takes 0.1 to 0.3 s.
gc.disable()

try:
    bind = listening_address("HOST", whole_number("PORT", default=8000, least=1, most=65535))
    # A search is mostly Python, one thread at a time per process; processes share the memory of the text model.
    workers = whole_number("WEB_CONCURRENCY", default=min(core_count(), 4), least=1, most=256)
    # Per process; an idle connection costs next to nothing.
    worker_connections = whole_number("CLIENT_CONNECTIONS", default=1000, least=20, most=100_000)
except ImproperlyConfigured as error:
    sys.exit(f"Configuration error: {error}")
worker_class = Worker
logger_class = GunicornLogger
# For searches; other lanes are in imagesearch.serving. More make each search slower, and throughput hardly higher.
threads = 6
# An idle connection costs no thread, and one that closes just as a proxy reuses it costs a 502.
keepalive = 15
# A stop takes a second, or up to this long with requests in progress.
graceful_timeout = KILLED_AFTER
# Settings are read once, in the parent, which thereby keeps the embedded database up until the last worker has ended.
preload_app = True
control_socket_disable = True
# By default gunicorn takes SCRIPT_NAME from a proxy on this machine, and Caddy passes on a client's. BASE_PATH is
# what counts.
forwarder_headers = ""
# The first search on a slow machine loads a model.
timeout = 120
# 1,000 Korean characters are 9,000 bytes in a URL, above gunicorn's default of 8,190, and longer ones should get our
# error page. Without any limit a client could fill the memory.
message.MAX_REQUEST_LINE = limit_request_line = 256 * 1024


def when_ready(server: Any) -> None:
    """Load once, in the parent, what the workers share in memory; no first search waits for it."""
    from imagesearch.postgresql.limits import bound_waits, share_connections  # noqa: PLC0415
    from search.embedding import load_before_forking  # noqa: PLC0415
    from search.metrics import shared_counters  # noqa: PLC0415
    from search.models.active_pair import look_before_forking  # noqa: PLC0415
    from search.web.preloading import load_pages  # noqa: PLC0415

    def meanwhile() -> None:
        bound_waits()
        load_pages()
        server.num_workers = share_connections(server.num_workers)

    shared_counters.share()
    look_before_forking()
    load_before_forking(meanwhile=meanwhile)


def pre_fork(server: Any, worker: Any) -> None:
    """Collect garbage from now on, but not in shared memory: that would copy its pages for each worker."""
    from search.metrics import shared_counters  # noqa: PLC0415

    collect_less()
    shared_counters.give_slot(worker)
    hold_signals()


def post_worker_init(worker: Any) -> None:
    """Load the rest in the background before the first search, and start the background work."""
    from search.embedding import follow_switches, start_serving  # noqa: PLC0415
    from search.example_searches.measuring import keep_measuring  # noqa: PLC0415
    from search.ingestion.palettes import keep_reading  # noqa: PLC0415
    from search.mapping.new_pictures import keep_placing  # noqa: PLC0415
    from search.metrics import shared_counters  # noqa: PLC0415
    from search.objects.deletion import keep_deleting_pending  # noqa: PLC0415
    from search.relevance.missing_calibration import measure_soon_if_never  # noqa: PLC0415
    from search.state.periodic_checks import keep_checking  # noqa: PLC0415
    from search.state.search_statistics import keep_writing  # noqa: PLC0415
    from search.state.trash_and_history_retention import keep_tidy  # noqa: PLC0415
    from search.tagging.background_suggesting import keep_suggesting  # noqa: PLC0415

    shared_counters.take_slot(worker)
    follow_switches()
    start_serving()
    measure_soon_if_never()
    keep_deleting_pending()
    keep_tidy()
    keep_checking()
    keep_writing()
    keep_placing()
    keep_suggesting()
    keep_reading()
    keep_measuring()


def worker_exit(server: Any, worker: Any) -> None:
    if searches := sys.modules.get("search.state.search_statistics"):
        with suppress(Exception):  # a stop waits for nothing
            searches.write()
    leave_worker(worker)


def child_exit(server: Any, worker: Any) -> None:
    from search.metrics import shared_counters  # noqa: PLC0415

    shared_counters.free_slot(worker)


def on_exit(server: Any) -> None:
    if shared_counters := sys.modules.get("search.metrics.shared_counters"):  # not where the start failed
        shared_counters.leave()
