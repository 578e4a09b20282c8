"""The state shown by `manage.py switch_model`: which models are active, prepared (and how far), and kept."""

from dataclasses import dataclass, field

from search.embedding import active_model, active_pair
from search.indexing.index_building import State as Index
from search.indexing.index_building import index_state
from search.models import Image, ModelSwitch, VectorSet
from search.models.active_pair import Named, Pair, environment, is_lagging
from search.models.sql_statements import fetch_value
from search.models.vector_sets import current_set, forget_sets, left_tables, table_of
from search.switching.preparing import missing
from search.switching.switch_row import active, counts, following, kept
from search.switching.vector_copying import left


@dataclass(frozen=True, slots=True)
class Kept:
    """An unused vector set: the model's name in rows, and its size in bytes with indexes."""

    model: str
    size: int


@dataclass(frozen=True, slots=True)
class State:
    """`chosen` is the pair in the database, None if only the environment counts; `is_overridden` if the environment
    was changed since. `missing` and `has_index` are about `next`. `uncopied` is the number of images with a vector of
    the previous model. `others` are vector sets besides the active one."""

    active: Pair
    environment: Pair
    chosen: Named | None = None
    is_overridden: bool = False
    next: Named | None = None
    is_prepared: bool = False
    missing: int = 0
    has_index: bool = True
    kept: Named | None = None
    uncopied: int = 0
    is_copying: bool = False
    pictures: int = 0
    others: list[Kept] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def state() -> State:
    """Return the state of the models. Counts missing vectors: a second for a million pictures."""
    forget_sets()
    row = ModelSwitch.objects.first()
    named = following(row)
    others = [_kept(one) for one in VectorSet.objects.exclude(model=active_model()).order_by("id")]
    if row is None:
        return State(active_pair(), environment(), pictures=Image.objects.count(), others=others, left=left_tables())
    table = current_set(named.model) if named else None
    return State(
        active=active_pair(),
        environment=environment(),
        chosen=active(row),
        is_overridden=not counts(row),
        next=named,
        is_prepared=row.prepared is not None,
        missing=missing(named) if named else 0,
        has_index=named is None or table is None or index_state(table) is Index.THERE,
        kept=kept(row),
        uncopied=left(),
        is_copying=bool(row.uncopied),
        pictures=Image.objects.count(),
        others=others,
        left=left_tables(),
    )


def _kept(one: VectorSet) -> Kept:
    table = table_of(one)
    size = "SELECT coalesce(pg_total_relation_size(to_regclass(%s)), 0)"
    return Kept(one.model, sum(int(fetch_value(size, [leaf])) for leaf in table.leaves))


def status_line() -> str:
    """Return a line for operators about what is in progress; "" if nothing is. Two short queries."""
    row = ModelSwitch.objects.first()
    if row is None:
        return ""
    if not counts(row):
        return f"the environment names other models than switch_model ({row.image}, {row.text}), and takes precedence"
    lines = []
    if is_lagging():
        lines.append(f"this process does not use {row.image} and {row.text} yet")
    if row.uncopied:
        lines.append(f"the vectors of {row.model} are being copied into the pictures' rows")
    if named := following(row):
        lines.append(f"{named.pair.image} is {'prepared' if row.prepared else 'being prepared'}")
    if old := kept(row):
        lines.append(f"{old.pair.image}, {old.pair.text} kept to return to")
    return "; ".join(lines)
