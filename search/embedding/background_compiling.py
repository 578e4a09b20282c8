"""Compilation of models in a separate process, while they are used uncompiled."""

import atexit
import logging
import subprocess
import sys
import threading
from collections.abc import Callable

from django.conf import settings

from search.embedding.compiled_store import PICTURES, WORDS, verdict_on
from search.embedding.model_identity import active_pair

logger = logging.getLogger(__name__)

_ENDS_WITHIN = 30.0
"""Seconds for which the end of a process waits for a model that is being loaded."""
_OPTIONS = {PICTURES: "--image-model", WORDS: "--text-model"}

_lock = threading.Lock()
_queue: list[tuple[list[str], list[tuple[str, str]]]] = []
"""Options of the command, and the kinds and names of what it compiles."""
_thread: threading.Thread | None = None
_failures: list[str] = []
_stopping = threading.Event()
_compiler: "subprocess.Popen[str] | None" = None


def compile_in_background(kind: str, name: str, use: Callable[[str, str], None]) -> None:
    """Compile a model in the background, and with an active one also the other of the pair; call `use` for each when
    it is done."""
    global _thread  # noqa: PLW0603 - there is one at most
    active = dict(zip((PICTURES, WORDS), active_pair(), strict=True))
    models = list(active.items()) if active[kind] == name else [(kind, name)]
    if not settings.COMPILE_MODELS or all(verdict_on(*model) for model in models):
        return
    job = ([] if active[kind] == name else [_OPTIONS[kind], name], models)
    with _lock:
        if job not in _queue:
            _queue.append(job)
        if _thread is None:
            _thread = threading.Thread(target=_work, args=[use], name="model-compiling", daemon=True)
            _thread.start()
            atexit.register(_end, _thread)


def _work(use: Callable[[str, str], None]) -> None:
    global _thread  # noqa: PLW0603
    while True:
        with _lock:
            if not _queue or _stopping.is_set():
                _thread = None
                return
            options, models = _queue[0]
        try:
            if _compiled(options):
                for model in models:
                    if not _stopping.is_set():
                        use(*model)
        except Exception:  # it stays in use uncompiled
            logger.warning("The models could not be compiled", exc_info=True)
        with _lock:
            del _queue[0]


def _compiled(options: list[str]) -> bool:
    global _compiler  # noqa: PLW0603
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "compile_models", *options]
    _compiler = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)  # noqa: S603 - our own command
    _, complaints = _compiler.communicate()
    if not _compiler.returncode:
        _failures.clear()
        return True
    if not _stopping.is_set():
        logger.warning("The models could not be compiled, and are used uncompiled: %s", complaints.strip())
    _failures[:] = [" ".join(complaints.split())[-500:] or f"exit status {_compiler.returncode}"]
    return False


def stop_compiling() -> None:
    """Terminate the background compilation, if there is one: nothing would use its result."""
    _stopping.set()
    if _compiler and _compiler.poll() is None:
        _compiler.terminate()


def _end(thread: threading.Thread) -> None:
    """Wait for a thread that is loading a compiled model: torch and OpenVINO abort a process that ends during this."""
    stop_compiling()
    thread.join(_ENDS_WITHIN)


def compiling_failure() -> str:
    """Return why this process failed to have the models compiled; "" if it did not fail or try."""
    return "".join(_failures)
