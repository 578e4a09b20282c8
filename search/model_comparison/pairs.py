"""The two models to compare, with the text models that belong to them, and the vector sets that exist."""

from collections.abc import Sequence
from dataclasses import dataclass

from search.embedding import ModelUnavailable, Pair, active_model, active_pair, identity_of
from search.models import VectorSet
from search.models import active_pair as chosen
from search.models.vector_sets import VectorTable, current_set


@dataclass(frozen=True)
class ComparedSet:
    """A vector set and the names of its models in settings; `pair` is None if unknown."""

    table: VectorTable
    pair: Pair | None

    @property
    def name(self) -> str:
        return self.table.model


class NothingToCompare(Exception):
    """There are no two such models here. The message is for the operator."""


def sets_here() -> list[ComparedSet]:
    """Return all searchable sets, that of the active model first, then the newest."""
    models = VectorSet.objects.filter(is_current=True).order_by("-created", "-id").values_list("model", flat=True)
    tables = [table for model in models if (table := current_set(model))]
    active = active_model()
    return sorted((ComparedSet(one, pair_of(one.model)) for one in tables), key=lambda one: one.name != active)


def pair_of(model: str) -> Pair | None:
    """Return the names of a set's models; None if unknown."""
    return active_pair() if model == active_model() else chosen.pair_of(model)


def chosen_sets(named: Sequence[Pair]) -> tuple[ComparedSet, ComparedSet]:
    """Return the two sets of these pairs; with one pair, the active set and its own; with none, the active set and the
    only other one. Raises NothingToCompare."""
    here = sets_here()
    both = [_of_pair(pair, here) for pair in named]
    if len(both) < 2:
        # The other one may have the same vectors, with another text model.
        active = [ComparedSet(one.table, active_pair()) for one in here if one.name == active_model()]
        both = active + [one for one in both if one not in active]
    if len(both) < 2 and len(here) == 2:
        both = here
    if len(both) != 2:
        names = ", ".join(one.name for one in here) or "none"
        raise NothingToCompare(
            f"Two vector sets are needed; here are: {names}. Name one or two of them by --model, or have one "
            "prepared by `manage.py switch_model`."
        )
    for one in both:
        if one.pair is None:
            raise NothingToCompare(
                f"The text model of {one.name} is unknown: name both models, --model IMAGE_MODEL TEXT_MODEL."
            )
    return both[0], both[1]


def names_of(first: ComparedSet, second: ComparedSet) -> tuple[str, str]:
    """Return names that distinguish two sets: with the text models if the vectors are the same."""
    if first.name != second.name:
        return first.name, second.name
    one, other = (f"{own.name}, {own.pair.text if own.pair else ''}" for own in (first, second))
    return one, other


def require_dimensions(text_model: str, found: int, wanted: int) -> None:
    """Raise ModelUnavailable for a text model whose vectors don't fit those of the pictures."""
    if found != wanted:
        raise ModelUnavailable(
            f"{text_model} gives vectors of {found:,} dimensions, and the pictures have {wanted:,}: these two models "
            "share no space. Name the text model that belongs to the image model."
        )


def _of_pair(pair: Pair, here: Sequence[ComparedSet]) -> ComparedSet:
    model = identity_of(pair.image)
    for one in here:
        if one.name == model:
            return ComparedSet(one.table, pair)
    raise NothingToCompare(f"There are no vectors of {model} here; `manage.py switch_model` prepares them.")
