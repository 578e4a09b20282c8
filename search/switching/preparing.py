"""Prepare a pair of models: vectors of all pictures beside those in use, their index, and thresholds.

Each step can be killed and repeated; the first can run in any number of processes.
"""

import logging
import threading
from collections.abc import Callable

from django.conf import settings
from django.db import connection, transaction

from search.embedding import (
    ModelUnavailable,
    Pair,
    compile_pictures,
    compile_texts,
    encoders_of,
    identity_of,
    require_fit,
)
from search.indexing.index_building import State, build_index, drop_index, index_state, lock_index, unlock_index
from search.ingestion import Progress, Report, Worker
from search.ingestion.vectors_of_other_models import MissingVectors
from search.models import ModelSwitch, VectorSet
from search.models.active_pair import Named, environment, one_choice, same_models
from search.models.sql_statements import execute, now
from search.models.vector_sets import VectorTable, current_set, forget_sets, make_set
from search.query.query_pictures import embed_kept_pictures
from search.relevance import CalibrationReport, calibrate, calibrate_if_due
from search.switching.errors import Refused
from search.switching.switch_row import (
    active,
    choice_of,
    counts,
    following,
    kept,
    locked_or_new,
    put_kept,
    put_next,
    save,
)

logger = logging.getLogger(__name__)

POLL_SECONDS = 2.0
"""Seconds between checks whether another process has built the index."""


def settled_pair(image: str, text: str) -> Pair:
    """Return the pair that is meant: without a text model, the image model encodes texts, too; without an image model,
    the active one stays."""
    row = ModelSwitch.objects.first()
    now_active = active(row).pair if row and counts(row) else environment()
    image = image or now_active.image
    return Pair(image, text or image)


def begin(pair: Pair) -> Named:
    """Record that `pair` is being prepared, and create its vector set. Raises Refused and ModelUnavailable."""
    named, dimensions = _tried(pair)
    with transaction.atomic():
        row = locked_or_new()
        if not counts(row):
            _begin_from_environment(row)
        _require_free(row, named)
        if following(row) != named:
            put_next(row, named)
            row.prepared = None
        save(row)
        of_active = row.model
        is_new = named.model != of_active and not VectorSet.objects.filter(model=named.model, is_current=True).exists()
        if is_new:
            forget_sets()
            like = current_set(of_active)
            make_set(named.model, dimensions, like.partitions if like else 1)
    forget_sets()
    table = current_set(named.model)
    if is_new and table:
        drop_index(table)  # built at the end, which is ten times faster
    return named


def _tried(pair: Pair) -> tuple[Named, int]:
    """Load both models; return the pair with its number of dimensions."""
    encoders = encoders_of(*pair)
    try:
        dimensions, of_words = encoders.pictures().dimensions, encoders.texts().dimensions
    except ModelUnavailable as error:
        raise Refused(str(error)) from error
    if dimensions != of_words:
        raise Refused(
            f"{pair.image} gives vectors of {dimensions:,} dimensions for pictures, and {pair.text} of {of_words:,} "
            "for texts: they share no space."
        )
    require_fit(encoders)
    return Named(pair, identity_of(pair.image)), dimensions


def _begin_from_environment(row: ModelSwitch) -> None:
    """The environment was changed since and has precedence: continue from its models."""
    if row.next_image or row.uncopied:
        # What is still copied may be of the preparation: --abort refuses until it is done.
        end = "--activate" if row.uncopied else "--abort"
        raise Refused(
            "The environment names other models than when another switch began: end that first with `manage.py "
            f"switch_model {end}`."
        )
    here = environment()
    put_kept(row, None)
    row.image, row.text, row.model = *here, identity_of(here.image)
    row.environment_image, row.environment_text = here


def _require_free(row: ModelSwitch, named: Named) -> None:
    if same_models(active(row).pair, named.pair):
        raise Refused(f"{named.pair.image} and {named.pair.text} are the active models.")
    if kept(row) == named:
        raise Refused("These models were active before: `manage.py switch_model --back` returns to them.")
    other = following(row)
    if other and other != named:
        raise Refused(
            f"{other.pair.image} and {other.pair.text} are being prepared: `manage.py switch_model --abort` ends that."
        )


def fill(named: Named, stop: threading.Event | None = None, progress: Progress = lambda report: None) -> Report:
    """Encode pictures without a vector of `named` until done or `stop` is set, and build the index at the end.

    Raises ModelUnavailable, StorageUnavailable and what is in LOST_DATABASE.
    """
    table = _table(named)
    if table is None:
        return Report()
    worker = Worker(MissingVectors(choice_of(named), table), stop=stop, progress=progress)
    worker.work()
    return worker.report


def being_prepared() -> Named | None:
    """Return the pair being prepared, unless the environment was changed since."""
    row = ModelSwitch.objects.first()
    return following(row) if row and counts(row) else None


def missing(named: Named) -> int:
    """Return how many pictures have no vector of `named` yet."""
    table = _table(named)
    return MissingVectors(choice_of(named), table).count() if table else 0


def finish(named: Named, announce: Callable[[str], None], stop: threading.Event) -> CalibrationReport | None:
    """Do the steps after the vectors: index, query pictures, and thresholds.

    Returns None after `stop`. Raises Refused if the preparation was aborted meanwhile.
    """
    _require_under_way(named)
    table = _table(named)
    if table:
        _have_index(table, announce, stop)
        _analyse(table)
    if stop.is_set():
        return None
    announce("Compiling the models for this machine")
    _have_compiled(named.pair)
    announce("Encoding the query pictures")
    embed_kept_pictures(choice_of(named))
    announce("Measuring the thresholds for strong matches")
    with one_choice(choice_of(named)):
        report = calibrate()
    with transaction.atomic():
        row = _require_under_way(named)
        row.prepared = now()
        save(row)
    return report


def catch_up(named: Named, progress: Progress = lambda report: None, stop: threading.Event | None = None) -> Report:
    """Encode pictures added since `named` was prepared, or active, and calibrate again if due.

    The report is of the last round, for the pictures that were added during the calibration.
    """
    fill(named, stop, progress)
    embed_kept_pictures(choice_of(named))
    with one_choice(choice_of(named)):
        calibrate_if_due()
    return fill(named, stop)


def _have_compiled(pair: Pair) -> None:
    """Compile the models for servers on this machine, which then follow a switch sooner."""
    if not settings.COMPILE_MODELS:
        return
    try:
        compile_texts(pair.text)
        compile_pictures(pair.image)
    except (ModelUnavailable, OSError) as error:  # such as a full disk
        logger.warning("The models are used without compiling: %s", error)


def _require_under_way(named: Named) -> ModelSwitch:
    row = ModelSwitch.locked() if connection.in_atomic_block else ModelSwitch.objects.first()
    if row and following(row) == named:
        return row
    if row and active(row) == named:
        raise Refused(f"Nothing is left to do: another process has prepared {named.pair.image}, and it is active now.")
    raise Refused(f"The preparation of {named.pair.image} was cancelled in the meantime.")


def _have_index(table: VectorTable, announce: Callable[[str], None], stop: threading.Event) -> None:
    """Build the missing index, or wait for another process that does."""
    while index_state(table) is not State.THERE and not stop.is_set():
        if lock_index(table):
            announce("Building the index")
            try:
                build_index(table)
            finally:
                unlock_index(table)
        else:
            stop.wait(POLL_SECONDS)


def _analyse(table: VectorTable) -> None:
    if connection.in_atomic_block:
        return
    execute(f"ANALYZE {table.table}")


def _table(named: Named) -> VectorTable | None:
    """Return the vector set of the pair; None if the active pair has the same one."""
    row = ModelSwitch.objects.first()
    if row and row.model == named.model:
        return None
    return current_set(named.model)
