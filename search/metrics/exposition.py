"""The view `/metrics`, for requests with the token. Without it the page does not exist."""

import hmac
import tomllib
from collections.abc import Callable
from functools import cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache

from search.http.methods import require_safe
from search.metrics import shared_counters


def may_read(request: HttpRequest) -> bool:
    """Whether the request has the token: `Authorization: Bearer ...`."""
    kind, _space, token = request.headers.get("Authorization", "").partition(" ")
    wanted: str = settings.METRICS_TOKEN
    return bool(wanted) and kind.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), wanted.encode())


def metrics_or(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Return the metrics to requests with the token; pass others on, which respond as for an unknown address."""

    def answer(request: HttpRequest) -> HttpResponse:
        return metrics(request) if may_read(request) else get_response(request)

    return answer


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    # Imported late: not needed unless metrics are read.
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4  # noqa: PLC0415
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415

    from search.metrics import database_metrics  # noqa: PLC0415
    from search.monitoring import instruments  # noqa: PLC0415

    shared_counters.note()
    registry = CollectorRegistry()
    if shared := shared_counters.folder():
        MultiProcessCollector(registry, shared)  # type: ignore[no-untyped-call]
    else:
        registry.register(instruments.OWN)
    registry.register(database_metrics.Figures())
    registry.register(database_metrics.Build(_version()))
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


@cache
def _version() -> str:
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text("utf-8"))
    return str(project["project"]["version"])
