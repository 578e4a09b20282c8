"""Drop what was prepared, or kept for going back: vectors and index, thresholds, vectors of query pictures."""

import time
from collections.abc import Iterable

from django.db import transaction

from search.embedding import active_pair, forget_compiled, identity_of
from search.models import Calibration, Image, ModelSwitch, QueryVector, ThingSet, VectorSet
from search.models.active_pair import NOTICED, Named, environment
from search.models.model_switch import ONLY
from search.models.vector_sets import drop_left_tables, drop_set, forget_sets, table_of
from search.query.query_pictures import forget_vectors_by
from search.switching.errors import Refused
from search.switching.switch_row import active, following, kept, put_kept, put_next, save

_UNFINISHED = "The last switch has not finished, and needs it: `manage.py switch_model --activate` continues it."


def abort() -> Named:
    """End the preparation and drop what was prepared, except vectors that the previous pair has too. Raises Refused if
    there is none, or if pictures still have vectors of it only.

    The row is changed last: if killed, run it again.
    """
    row = ModelSwitch.objects.first()
    named = following(row)
    if row is None or named is None:
        raise Refused("Nothing is being prepared.")
    if row.uncopied == named.model:
        raise Refused(_UNFINISHED)
    _drop(named.model, [named])
    with transaction.atomic():
        row = ModelSwitch.locked()
        if row and following(row) == named:
            put_next(row, None)
            row.prepared = None
            save(row)
    _forget_files([*named.pair])
    return named


def forget_models_of(name: str) -> str:
    """Drop everything of models that are not used any more; return the model's name in rows.

    `name` is the setting of the image model, of the text model if only that changed, or the name in rows. Raises
    Refused.
    """
    row = ModelSwitch.objects.first()
    was_kept = kept(row)
    by_rows = {name, identity_of(name)}
    if was_kept and ({*was_kept.pair, was_kept.model} & {name} or was_kept.model in by_rows):
        named: list[Named] = [was_kept]
        model = was_kept.model
    else:
        named = []
        model = next(iter(VectorSet.objects.filter(model__in=by_rows).values_list("model", flat=True)), "")
    if not model and not _has_data(by_rows):
        raise Refused(f"There is nothing to drop of {name}: `manage.py switch_model` lists the models kept.")
    model = model or identity_of(name)
    _require_unused(row, model, named)
    if named:
        _keep_no_longer(named[0])
    _drop(model, named)
    _forget_files([name, *(named[0].pair if named else ())])
    return model


def _keep_no_longer(named: Named) -> None:
    """Record that this pair can't be reactivated, and wait until no process uses it."""
    with transaction.atomic():
        row = ModelSwitch.locked()
        if row and kept(row) == named:
            put_kept(row, None)
            save(row)
    time.sleep(NOTICED)


def _has_data(models: Iterable[str]) -> bool:
    return (
        Calibration.objects.filter(model__in=models).exists() or QueryVector.objects.filter(model__in=models).exists()
    )


def _require_unused(row: ModelSwitch | None, model: str, named: list[Named]) -> None:
    """Raise Refused if something depends on the model. `named` is the kept pair, if it is of that model."""
    in_use = identity_of(active_pair().image)
    only_words = bool(named) and model == in_use
    if row and row.uncopied:
        raise Refused(_UNFINISHED)
    if row and (other := following(row)) and other.model == model and not only_words:
        raise Refused(f"{model} is being prepared: `manage.py switch_model --abort` ends that.")
    if only_words:
        return
    if model == in_use or (row and row.model == model):
        raise Refused(f"{model} is the active model.")
    if count := Image.objects.filter(embedding_model=model).count():
        raise Refused(f"{count:,} pictures have only a vector of {model}: run `manage.py reembed` first.")


def _drop(model: str, named: list[Named]) -> None:
    """Drop the data of an image model; if it is in use, or kept for going back, only that of the text models."""
    row = ModelSwitch.objects.first()
    others = [one for one in (active(row) if row else None, kept(row)) if one]
    in_use = {identity_of(active_pair().image), *(one.model for one in others)}
    measured = [Calibration.objects.filter(model=model), ThingSet.objects.filter(model=model)]
    if model in in_use:
        words = [identity_of(one.pair.text) for one in named]
        of_others = [identity_of(pair.text) for pair in (active_pair(), *(one.pair for one in others))]
        for rows in measured:
            rows.filter(text_model__in=words).exclude(text_model__in=of_others).delete()
        return
    forget_vectors_by(model)
    if not Image.objects.filter(embedding_model=model).exists():
        for one in VectorSet.objects.filter(model=model):
            drop_set(table_of(one))
    drop_left_tables()
    forget_sets()
    for rows in measured:
        rows.delete()


def _forget_files(names: Iterable[str]) -> None:
    """Remove the compiled files of models that are not used any more on this machine."""
    row = ModelSwitch.objects.filter(pk=ONLY).first()
    used = {*environment()}
    for named in (active(row), following(row), kept(row)) if row else ():
        used.update(named.pair if named else ())
    for name in set(names) - used:
        forget_compiled(name)
