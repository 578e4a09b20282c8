"""Health checks for load balancers."""

import logging
from collections.abc import Callable
from functools import partial

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache

from search import embedding, switching
from search.http.methods import require_safe
from search.models import conflicts
from search.models.sql_statements import execute
from search.monitoring import upgrades
from search.objects import storage
from search.relevance import missing_calibration

logger = logging.getLogger(__name__)

_MODELS = {"words": "text", "pictures": "image"}
_FORMER = {
    "static_files": "static files",
    "text_model": "model for words",
    "image_model": "model for pictures",
    "text_encoding": "encoding of words",
    "image_encoding": "encoding of pictures",
    "relevance": "relevance of results",
    "model_switch": "change of models",
}
"""Former keys of `/readyz`, which monitoring may read."""


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """The process is alive."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when database, storage and the text model are ready, else 503; also starts loading the model.

    The image model is loaded at first use, and counts only if that has failed.
    """
    embedding.warm_up()
    parts = {"database": _tried(_ask_database), "storage": _tried(storage.check)}
    parts["migrations"] = (
        _tried(partial(upgrades.require_migrated, now=True)) if parts["database"] == "ok" else "not known"
    )
    parts["static_files"] = _tried(upgrades.require_collected)
    models = embedding.status()
    parts["text_model"] = "ok" if models["words"] == "ready" else models["words"]
    parts["image_model"] = "ok" if models["pictures"] in {"ready", "waiting"} else models["pictures"]
    if parts["migrations"] == "ok":
        parts |= {f"{_MODELS[kind]}_model": reason for kind, reason in embedding.misfits().items()}
    ready = all(state == "ok" for state in parts.values())
    # Information that is no reason to take the server out of rotation.
    info = {f"{_MODELS[kind]}_encoding": how for kind, how in embedding.encoding().items()}
    if parts["migrations"] == "ok" and missing_calibration.should_warn():
        info["relevance"] = f"not measured: run {missing_calibration.MEASURE}"
    if parts["storage"] == "ok" and not storage.can_be_written():
        info["storage_changes"] = "refused: the folder of the pictures can't be written"
    if parts["database"] == "ok" and _is_read_only():
        info["database_changes"] = "refused: the database is read-only"
    if parts["migrations"] == "ok" and (switch := _switch_state()):
        info["model_switch"] = switch
    found = {"status": "ok" if ready else "not ready", **parts, **info}
    former = {old: found[name] for name, old in _FORMER.items() if name in found}
    return JsonResponse(found | former, status=200 if ready else 503)


def _switch_state() -> str:
    try:
        return switching.status_line()
    except DatabaseError:
        return ""


def _is_read_only() -> bool:
    try:
        return conflicts.accepts_no_changes()
    except DatabaseError:
        return False


def _ask_database() -> None:
    execute("SELECT 1")


def _tried(ask: Callable[[], None]) -> str:
    try:
        ask()
    except upgrades.NotUpgraded as step:
        return str(step)
    except Exception as error:
        logger.warning("Not ready", exc_info=error)
        if refusal := storage.refusal(error):
            return f"{type(error).__name__}: {refusal}"
        return f"{type(error).__name__}: does not respond"
    return "ok"
