"""Read and change the row of the model switch."""

from search.embedding import Pair, identity_of
from search.models import ModelSwitch
from search.models.active_pair import Choice, Named, environment, look_again, same_models
from search.models.model_switch import ONLY
from search.switching.errors import Refused


def active(row: ModelSwitch) -> Named:
    return Named(Pair(row.image, row.text), row.model)


def following(row: ModelSwitch | None) -> Named | None:
    return Named(Pair(row.next_image, row.next_text), row.next_model) if row and row.next_image else None


def kept(row: ModelSwitch | None) -> Named | None:
    return Named(Pair(row.kept_image, row.kept_text), row.kept_model) if row and row.kept_image else None


def counts(row: ModelSwitch) -> bool:
    """Whether the row is in effect, since the environment was not changed after it was written."""
    here = environment()
    return same_models(here, Pair(row.environment_image, row.environment_text)) or same_models(here, active(row).pair)


def locked_or_new() -> ModelSwitch:
    """Return the locked row; created from the environment if there is none. Call in a transaction."""
    here = environment()
    fresh = ModelSwitch(
        image=here.image,
        text=here.text,
        model=identity_of(here.image),
        environment_image=here.image,
        environment_text=here.text,
    )
    ModelSwitch.objects.bulk_create([fresh], ignore_conflicts=True)
    row = ModelSwitch.locked()
    assert row
    return row


def put_next(row: ModelSwitch, named: Named | None) -> None:
    pair, model = (named.pair, named.model) if named else (Pair("", ""), "")
    row.next_image, row.next_text, row.next_model = *pair, model


def put_kept(row: ModelSwitch, named: Named | None) -> None:
    pair, model = (named.pair, named.model) if named else (Pair("", ""), "")
    row.kept_image, row.kept_text, row.kept_model = *pair, model


def put_active(row: ModelSwitch, named: Named) -> None:
    row.image, row.text, row.model = *named.pair, named.model
    # If the environment has the new models already, running processes still have the previous ones in theirs.
    if not same_models(environment(), named.pair):
        row.environment_image, row.environment_text = environment()


def save(row: ModelSwitch) -> None:
    """Write the row; delete it if it says no more than the environment."""
    nothing = not (row.next_image or row.kept_image or row.uncopied)
    if nothing and same_models(Pair(row.environment_image, row.environment_text), Pair(row.image, row.text)):
        ModelSwitch.objects.filter(pk=ONLY).delete()
    else:
        row.save()
    look_again()


def choice_of(named: Named) -> Choice:
    """Return the choice of models for a pair that need not be active; all rows found now are accepted."""
    row = ModelSwitch.objects.first()
    names = (row.model, row.uncopied) if row else ()
    return Choice(named.pair, named.model, tuple({name for name in names if name not in ("", named.model)}))


def require_counting(row: ModelSwitch | None) -> ModelSwitch:
    """Return the row. Raises Refused if there is none, or if the environment was changed since."""
    if row is None:
        raise Refused("Nothing is prepared. Start with `manage.py switch_model NEW_IMAGE_MODEL [NEW_TEXT_MODEL]`.")
    if not counts(row):
        raise Refused(
            "EMBEDDING_IMAGE_MODEL or EMBEDDING_TEXT_MODEL were changed after switch_model had chosen "
            f"{row.image} and {row.text}: the environment takes precedence. Set them to these, or back to "
            f"{row.environment_image} and {row.environment_text}, first."
        )
    return row
