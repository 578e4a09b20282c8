"""Measure which searches have strong matches: when due, and in one process at a time."""

import datetime as dt
import logging
import threading

from django.db import transaction
from django.db.models.functions import Now

from search.concurrency.background_threads import keep_doing
from search.embedding import ModelUnavailable, active_model, status, text_model, text_models
from search.example_searches.candidate_texts import LANGUAGES, Words, borne_by_pictures, general
from search.example_searches.choosing import Chosen, chosen
from search.example_searches.scoring import scored
from search.models import Image, Thing, ThingSet
from search.models.active_pair import one_choice
from search.models.advisory_locks import trying_lock
from search.models.arrivals import state
from search.models.sql_statements import now
from search.models.vector_values import WrongVectors
from search.relevance.band_thresholds import measurements

logger = logging.getLogger(__name__)

LOOK_EACH = 60.0
"""Seconds between two checks of a server whether it is due."""
AGAIN_AFTER = dt.timedelta(hours=6)
"""Time after which a changed collection is measured again, unless a new calibration triggers it before."""
AGAIN_WHILE_SMALL = dt.timedelta(minutes=5)
"""The same while the collection is too small for calibration."""
_LOCK = 0x7468696E67


def is_due() -> bool:
    """Whether the collection was never measured with the active models, was calibrated since, or has changed and some
    time has passed."""
    its = ThingSet.objects.filter(model=active_model(), text_model=text_model()).first()
    if its is None:
        return Image.objects.searchable(active_model()).exists()
    calibrated = _calibrated()
    if its.calibrated != calibrated:
        return True
    here = state()
    if (here.arrived, here.changed) == (its.arrived, its.changed):
        return False
    return now() - its.measured >= (AGAIN_AFTER if calibrated else AGAIN_WHILE_SMALL)


def measure() -> dict[str, list[str]]:
    """Measure the collection and store the examples; return their texts by language, strongest first.

    Writes once, at the very end. Raises ModelUnavailable.
    """
    with one_choice():
        here, calibrated = state(), _calibrated()
        borne = borne_by_pictures()
        # Without a calibration, only pictures that contain the words count as strong.
        found = {one: _strongest([*borne[one], *(general(one) if calibrated else ())]) for one in LANGUAGES}
        its = ThingSet(
            model=active_model(),
            text_model=text_model(),
            calibrated=calibrated,
            arrived=here.arrived,
            changed=here.changed,
        )
        _keep(its, found)
    return {language: [thing.words.text for thing in things] for language, things in found.items()}


def _strongest(candidates: list[Words]) -> list[Chosen]:
    # A text from a picture takes precedence over the same general one: it disappears with the picture.
    unlike = {one.text.casefold(): one for one in reversed(candidates)}
    return chosen(scored(list(unlike.values())))


def measure_if_due() -> dict[str, list[str]] | None:
    """Measure if due and no other process is doing so; None if nothing was done. Raises ModelUnavailable."""
    if not is_due():
        return None
    with trying_lock(_LOCK) as is_ours:
        return measure() if is_ours and is_due() else None


def keep_measuring(every: float = LOOK_EACH) -> threading.Event:
    """Run it periodically in the background until the returned event is set."""
    return keep_doing(
        measure_when_ready, every, "things", "The frequent subjects of the collection could not be determined"
    )


def measure_when_ready() -> bool:
    """Measure if due and the text model is loaded; return whether it was done. Never raises model errors."""
    if status()["words"] != "ready":
        return False
    try:
        return measure_if_due() is not None
    except (ModelUnavailable, WrongVectors) as error:
        logger.warning("The frequent subjects of the collection could not be determined: %s", error)
        return False


def _calibrated() -> dt.datetime | None:
    return measurements().values_list("measured", flat=True).first()


@transaction.atomic
def _keep(its: ThingSet, found: dict[str, list[Chosen]]) -> None:
    # Keep rows of text models that are in use or about to be.
    ThingSet.objects.filter(model=its.model).exclude(text_model__in=text_models()).delete()
    values = {"calibrated": its.calibrated, "arrived": its.arrived, "changed": its.changed, "measured": Now()}
    row, _is_new = ThingSet.objects.update_or_create(model=its.model, text_model=its.text_model, defaults=values)
    row.things.all().delete()
    Thing.objects.bulk_create(
        Thing(
            of=row,
            language=language,
            position=position,
            words=thing.words.text,
            borne=thing.words.borne,
            images=thing.images,
        )
        for language, things in found.items()
        for position, thing in enumerate(things)
    )
