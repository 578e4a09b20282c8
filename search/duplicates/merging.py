"""Merge duplicates: suggest which copy to keep, copy what only the others say to it, and move these to the trash, in
one revision that can be undone."""

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.conf import settings
from django.db import OperationalError, transaction
from django.utils.translation import gettext_lazy as _

from search.curation.admin_log import log_deletions
from search.curation.bulk_changes import AT_ONCE, put
from search.curation.change_kinds import MOST_TAGS
from search.curation.revisions import record
from search.curation.snapshots import lock, marked_edited
from search.duplicates.decisions import settle_around
from search.models import Capture, Image, Revision
from search.models.albums import Visibility
from search.models.conflicts import is_conflict
from search.models.edits_with_history import difference
from search.models.given_states import Row, State
from search.objects.deletion import delete_images

_WORDS = ("title", "description", "author", "licence", "source_link")
_CAPTURE = ("taken", "taken_offset", "taken_from", "camera", "lens", "rating", "latitude", "longitude")
_COLUMNS = ("tags", "albums", *_WORDS, *_CAPTURE)
_FORMATS = ("GIF", "WEBP", "AVIF", "JPEG", "HEIF", "JP2", "BMP", "PNG", "TIFF", "RAW")
"""From worst to best: the original is more likely in a later format."""


_ORDER = {visibility: place for place, visibility in enumerate(Visibility.values)}
"""From least to most visible."""


class Suggested(NamedTuple):
    """The copy to keep, and the reason."""

    image: Image
    reason: Any


def suggested(images: Sequence[Image]) -> Suggested:
    """Return the copy to keep: by pixels, then format, date of taking, amount of metadata, file size."""
    ranked = sorted(images, key=_rank, reverse=True)
    best, second = _rank(ranked[0]), _rank(ranked[1])
    reasons = (
        _("It has the most pixels."),
        _("Its format keeps the most."),
        _("It has the earliest date."),
        _("It has the most details."),
        _("Its file is the largest."),
    )
    differing = (reason for reason, one, other in zip(reasons, best, second, strict=False) if one != other)
    return Suggested(ranked[0], next(differing, _("They are all alike; this one was added first.")))


def _rank(image: Image) -> tuple[Any, ...]:
    captured = image.captured
    taken = captured.taken if captured and not captured.is_about else None
    said = len(image.tags) + sum(bool(getattr(image, name)) for name in _WORDS)
    return (
        image.width * image.height,
        _FORMATS.index(image.format),
        -_minutes(taken) if taken else float("-inf"),
        said,
        image.byte_size,
        -image.created.timestamp(),
        image.pk.int,
    )


def _minutes(taken: Any) -> float:
    return float(taken.toordinal() * 1440 + taken.hour * 60 + taken.minute)


class Kept(NamedTuple):
    """The decision for a group: which one stays, and which others go."""

    image: uuid.UUID
    others: Collection[uuid.UUID]


@dataclass
class Merging:
    """The result: the number of `groups` merged and of pictures moved to the trash (`going`); `revision` has a pk if
    it can be undone. `is_partial`: the remaining groups were locked and are unchanged."""

    revision: Revision
    groups: int = 0
    going: int = 0
    is_partial: bool = False


def keep(groups: Sequence[Kept], *, by: Any) -> Merging:
    """Keep one picture of each group, merge the others' metadata into it, move these to the trash, and settle the
    group.

    A group whose keeper is gone or in the trash is skipped. Raises the lock errors of `search.models.conflicts` if the
    first groups are locked.
    """
    merging = Merging(Revision(kind=Revision.Kind.MERGE, by=by, door=Revision.Door.ADMIN))
    for some in _portions(groups):
        try:
            with transaction.atomic():
                _keep(some, merging)
        except OperationalError as error:
            if not merging.groups or not is_conflict(error):
                raise
            merging.is_partial = True
            break
    return merging


def _portions(groups: Sequence[Kept]) -> Iterator[list[Kept]]:
    """Yield batches of groups, with about as many pictures as other bulk changes have per transaction."""
    some: list[Kept] = []
    count = 0
    for group in groups:
        some.append(group)
        count += 1 + len(group.others)
        if count >= AT_ONCE:
            yield some
            some, count = [], 0
    if some:
        yield some


def _keep(groups: Sequence[Kept], merging: Merging) -> None:
    revision = merging.revision
    ids = {one for group in groups for one in (group.image, *group.others)}
    states = lock(Image.objects.filter(pk__any_of=ids), (*_COLUMNS, "visibility"))
    here = {image_id: state for image_id, state in states.items() if not state["trashed"]}
    rows: list[Row] = []
    going: list[uuid.UUID] = []
    done: list[tuple[uuid.UUID, list[uuid.UUID]]] = []
    for group in groups:
        others = [one for one in group.others if one in here and one != group.image]
        if group.image not in here or not others:
            continue
        kept = here[group.image]
        before = {name: kept[name] for name in (*_COLUMNS, "edited")}
        # Metadata of a less visible picture must not become readable for more people.
        sources = [here[one] for one in others if _ORDER[here[one]["visibility"]] >= _ORDER[kept["visibility"]]]
        if row := difference(group.image, before, marked_edited(before, merged(before, sources))):
            rows.append(row)
        going += others
        done.append((group.image, others))
    if settings.TRASH_DAYS:
        rows += [Row(one, {"trashed": False}, {"trashed": True}) for one in going]
    put(rows, revision.by)
    record(revision, rows)
    # After the revision, by whose time an undo tells which pairs it settled.
    for image_id, others in done:
        settle_around(image_id, others, by=revision.by)
    if not settings.TRASH_DAYS and going:
        log_deletions(going, revision.by)
        delete_images(going)
    merging.groups += len(done)
    merging.going += len(going)


def merged(kept: State, others: Sequence[State]) -> dict[str, Any]:
    """Return a state completed by others: all tags and albums, empty fields filled, and the earliest date that is no
    guess."""
    after: dict[str, Any] = {name: kept[name] for name in _COLUMNS}
    tags = {tag.casefold(): tag for state in reversed([kept, *others]) for tag in state["tags"]}
    ordered = dict.fromkeys(tag.casefold() for state in (kept, *others) for tag in state["tags"])
    after["tags"] = [tags[folded] for folded in ordered][:MOST_TAGS]
    after["albums"] = sorted({album for state in (kept, *others) for album in state["albums"]})
    for name in (*_WORDS, "camera", "lens"):
        after[name] = next((state[name] for state in (kept, *others) if state[name]), kept[name])
    after["rating"] = max((state["rating"] for state in (kept, *others) if state["rating"]), default=None)
    after |= _together(("latitude", "longitude"), [kept, *others])
    dated = sorted(
        (state for state in (kept, *others) if state["taken"]), key=lambda one: (_is_guess(one), one["taken"])
    )
    after |= _together(("taken", "taken_offset", "taken_from"), [*dated, kept])
    return after


def _is_guess(state: Mapping[str, Any]) -> bool:
    return state["taken_from"] in Capture.GUESSED


def _together(names: Sequence[str], states: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    source = next((state for state in states if state[names[0]] is not None), states[-1])
    return {name: source[name] for name in names}
