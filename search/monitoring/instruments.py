"""The Prometheus metrics of a process. Labels are names of views, parts and kinds: a bounded set, never user input.

Imported only if METRICS_TOKEN is set, and in a server only after `processes.share` has set the folder that the
processes share.
"""

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call] # start times would double the number of series

OWN = CollectorRegistry()
"""What this process counts. If several processes share a folder, it is read from there instead."""
_counter, _histogram = partial(Counter, registry=OWN), partial(Histogram, registry=OWN)
_gauge = partial(Gauge, multiprocess_mode="livesum", registry=OWN)
"""Summed over live processes."""

REQUESTS = _counter("imagesearch_requests", "Requests answered.", ["view", "method", "status"])
DURATION = _histogram(
    "imagesearch_request_duration_seconds",
    "Time until the response begins.",
    ["view"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
IN_PROGRESS = _gauge("imagesearch_requests_in_progress", "Requests in progress.")
REFUSED = _counter(
    "imagesearch_requests_refused",
    "Requests that the server refused before any view: clients too slow, lanes too busy.",
    ["reason"],
)
UNAVAILABLE = _counter(
    "imagesearch_unavailable", "Responses with status 503, by the part that is unavailable.", ["part"]
)
CACHE = _counter("imagesearch_cache_lookups", "Lookups in the caches of searches.", ["what", "result"])
ENCODING = _histogram(
    "imagesearch_encoding_seconds",
    "Time to encode a query, including the wait for the model.",
    ["kind"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
ENCODING_NOW = _gauge(
    "imagesearch_encoding_in_progress",
    "Queries being encoded or waiting for it; each process encodes one of a kind at a time.",
    ["kind"],
)
STORAGE_FAILURES = _counter(
    "imagesearch_storage_failures", "Requests that the object storage refused or did not respond to.", ["where"]
)

# Set by each process every few seconds: see `processes`.
PROCESSES = _gauge("imagesearch_processes", "Web processes.")
MODELS = _gauge(
    "imagesearch_models_loaded",
    "Web processes that have loaded the model, compiled for this processor or not.",
    ["kind", "compiled"],
)
SERVER_CONNECTIONS = _gauge("imagesearch_server_connections", "Connections of clients.")
SERVER_KEPT = _gauge("imagesearch_server_kept_bytes", "Bodies of requests and responses in temporary files.")
SERVER_ACTIVE = _gauge("imagesearch_server_active", "Requests being answered.", ["lane"])
SERVER_WAITING = _gauge("imagesearch_server_waiting", "Requests waiting for a thread.", ["lane"])
POOL_SIZE = _gauge("imagesearch_database_pool_connections", "Connections open.")
POOL_FREE = _gauge("imagesearch_database_pool_free", "Idle connections.")
POOL_MOST = _gauge("imagesearch_database_pool_limit", "Maximum number of connections.")
POOL_WAITING = _gauge("imagesearch_database_pool_waiting", "Threads waiting for a connection.")
MEMORY = _gauge("imagesearch_memory_bytes", "Memory of the web processes, with shared pages counted once.")
CPU = _counter("imagesearch_cpu_seconds", "Processor time of the web processes.")
