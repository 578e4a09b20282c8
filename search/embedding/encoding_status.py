"""Reports how this process encodes texts and pictures: compiled or not, how fast, and why."""

from django.conf import settings

from search.embedding import background_compiling, hardware, loading
from search.embedding.compiled_store import PICTURES, WORDS, is_under_way, verdict_on


def encoding() -> dict[str, str]:
    """Return for "words" and "pictures" the backend in use and its measurements. Loads nothing."""
    loaded = loading.backends()
    return {kind: _report(kind, loaded[kind]) for kind in (WORDS, PICTURES)}


def _report(kind: str, backend: str) -> str:
    """Return the report for one kind; `backend` is the loaded one, "" if none."""
    verdict = verdict_on(kind) if settings.COMPILE_MODELS else None
    if backend.startswith("openvino"):
        return str(verdict or f"compiled ({backend})")
    if kind == PICTURES and hardware.has_gpu():
        return f"not compiled: a GPU encodes them ({backend or 'not loaded yet'})"
    if verdict and not (verdict.precision and backend):
        return str(verdict)
    if verdict:
        return f"just compiled ({verdict.precision}), and used as soon as it is loaded; until then {backend}"
    return f"not compiled, which is slower and takes 350 MB more in each process: {_why_not()}"


def _why_not() -> str:
    if not settings.COMPILE_MODELS:
        return "COMPILE_MODELS is off"
    if is_under_way():
        return "compilation is in progress"
    return background_compiling.compiling_failure() or "it is done at the first use, or by `manage.py compile_models`"
