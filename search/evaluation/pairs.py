"""The two models that are compared, each with the one for words that shares its space, and the sets there are."""

from collections.abc import Sequence
from dataclasses import dataclass

from search.embedding import active_model
from search.evaluation._interim import Pair, active_pair, identity_of
from search.indexing.sets import VectorTable
from search.models import VectorSet


@dataclass(frozen=True)
class ComparedSet:
    """A set of vectors, and the names of its models as an operator writes them; `pair` is None where nobody knows."""

    table: VectorTable
    pair: Pair | None

    @property
    def name(self) -> str:
        return self.table.model


class NothingToCompare(Exception):
    """There are no such two models here. The message is for the operator."""


def sets_here() -> list[ComparedSet]:
    """Return all sets that can be searched, that of the active model first, then the newest."""
    rows = VectorSet.objects.filter(is_current=True).order_by("-created", "-id")
    active = active_model()
    found = [
        ComparedSet(VectorTable(row.id, row.model, row.dimensions, row.partitions), pair_of(row.model)) for row in rows
    ]
    return sorted(found, key=lambda one: one.name != active)


def pair_of(model: str) -> Pair | None:
    """Return the names of a set's models, None where they are not known."""
    active = active_pair()
    if model == identity_of(active.image):
        return active
    return None


def chosen_sets(named: Sequence[Pair]) -> tuple[ComparedSet, ComparedSet]:
    """Return the two sets that these pairs name; that of the active model, and the only other one, where none is
    named. Raises NothingToCompare."""
    here = sets_here()
    chosen = [_of_pair(pair, here) for pair in named]
    if not chosen:
        chosen = [one for one in here if one.name == active_model()]
    others = [one for one in here if one.name not in {it.name for it in chosen}]
    if len(chosen) == 1 and len(others) == 1:
        chosen += others
    elif len(chosen) == 1 and (active := [one for one in others if one.name == active_model()]):
        chosen = [*active, *chosen]
    if len(chosen) != 2:
        names = ", ".join(one.name for one in here) or "none"
        raise NothingToCompare(
            f"Two sets of vectors are compared; here are: {names}. Name one or two of them by --model, or have one "
            "prepared by `manage.py switch_model`."
        )
    for one in chosen:
        if one.pair is None:
            raise NothingToCompare(
                f"Which model for words belongs to {one.name} is not known: name both, --model IMAGE_MODEL TEXT_MODEL."
            )
    return chosen[0], chosen[1]


def _of_pair(pair: Pair, here: Sequence[ComparedSet]) -> ComparedSet:
    model = identity_of(pair.image)
    for one in here:
        if one.name == model:
            return ComparedSet(one.table, pair)
    raise NothingToCompare(f"There are no vectors of {model} here; `manage.py switch_model` prepares them.")
