"""The Prometheus metrics of a process. Labels are names of views, parts and kinds: a bounded set, never user input.

Imported only if METRICS_TOKEN is set, and in a server only after `processes.share` has set the folder that the
processes share.
"""

from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call] # start times would double the number of series

OWN = CollectorRegistry()
"""What this process counts. If several processes share a folder, it is read from there instead."""

_OF_ALL: Literal["livesum"] = "livesum"
"""A gauge summed over live processes."""

REQUESTS = Counter("imagesearch_requests", "Requests answered.", ["view", "method", "status"], registry=OWN)
DURATION = Histogram(
    "imagesearch_request_duration_seconds",
    "Time until the response begins.",
    ["view"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=OWN,
)
IN_PROGRESS = Gauge(
    "imagesearch_requests_in_progress", "Requests in progress.", multiprocess_mode=_OF_ALL, registry=OWN
)
REFUSED = Counter(
    "imagesearch_requests_refused",
    "Requests that the server refused before any view: clients too slow, lanes too busy.",
    ["reason"],
    registry=OWN,
)
UNAVAILABLE = Counter(
    "imagesearch_unavailable", "Responses with status 503, by the part that is unavailable.", ["part"], registry=OWN
)
CACHE = Counter("imagesearch_cache_lookups", "Lookups in the caches of searches.", ["what", "result"], registry=OWN)
ENCODING = Histogram(
    "imagesearch_encoding_seconds",
    "Time to encode a query, including the wait for the model.",
    ["kind"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    registry=OWN,
)
ENCODING_NOW = Gauge(
    "imagesearch_encoding_in_progress",
    "Queries being encoded or waiting for it; each process encodes one of a kind at a time.",
    ["kind"],
    multiprocess_mode=_OF_ALL,
    registry=OWN,
)
STORAGE_FAILURES = Counter(
    "imagesearch_storage_failures",
    "Requests that the object storage refused or did not respond to.",
    ["where"],
    registry=OWN,
)

# Set by each process every few seconds: see `processes`.
PROCESSES = Gauge("imagesearch_processes", "Web processes.", multiprocess_mode=_OF_ALL, registry=OWN)
MODELS = Gauge(
    "imagesearch_models_loaded",
    "Web processes that have loaded the model, compiled for this processor or not.",
    ["kind", "compiled"],
    multiprocess_mode=_OF_ALL,
    registry=OWN,
)
SERVER_CONNECTIONS = Gauge(
    "imagesearch_server_connections", "Connections of clients.", multiprocess_mode=_OF_ALL, registry=OWN
)
SERVER_KEPT = Gauge(
    "imagesearch_server_kept_bytes",
    "Bodies of requests and responses in temporary files.",
    multiprocess_mode=_OF_ALL,
    registry=OWN,
)
SERVER_ACTIVE = Gauge(
    "imagesearch_server_active", "Requests being answered.", ["lane"], multiprocess_mode=_OF_ALL, registry=OWN
)
SERVER_WAITING = Gauge(
    "imagesearch_server_waiting",
    "Requests waiting for a thread.",
    ["lane"],
    multiprocess_mode=_OF_ALL,
    registry=OWN,
)
POOL_SIZE = Gauge(
    "imagesearch_database_pool_connections", "Connections open.", multiprocess_mode=_OF_ALL, registry=OWN
)
POOL_FREE = Gauge("imagesearch_database_pool_free", "Idle connections.", multiprocess_mode=_OF_ALL, registry=OWN)
POOL_MOST = Gauge(
    "imagesearch_database_pool_limit", "Maximum number of connections.", multiprocess_mode=_OF_ALL, registry=OWN
)
POOL_WAITING = Gauge(
    "imagesearch_database_pool_waiting", "Threads waiting for a connection.", multiprocess_mode=_OF_ALL, registry=OWN
)
MEMORY = Gauge(
    "imagesearch_memory_bytes",
    "Memory of the web processes, with shared pages counted once.",
    multiprocess_mode=_OF_ALL,
    registry=OWN,
)
CPU = Counter("imagesearch_cpu_seconds", "Processor time of the web processes.", registry=OWN)
