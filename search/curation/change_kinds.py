"""The kinds of bulk changes: each computes the new state of one picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from django.core.exceptions import ValidationError
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

from search.curation.cleaned_details import clean_tags
from search.curation.snapshots import plain
from search.models import Album, Capture, Image, Private, Revision
from search.models.albums import Visibility
from search.models.edits_with_history import CAPTURE_COLUMNS, IMAGE_COLUMNS, group_of
from search.models.given_states import State

MOST_TAGS = 50
"""Maximum number of tags per picture."""
_UNTOUCHABLE = {"tags", "hidden", "taken_from"}


def skipped_message(revision: Revision) -> str:
    """Return a message with the number of pictures that a revision skipped since they have too many tags."""
    text = _("Not tagged, because a picture can have at most %(limit)s tags: %(count)s.")
    return text % {"limit": MOST_TAGS, "count": f"{revision.full:,}"}


class Change(Protocol):
    """A change to pictures. `columns` are those that it reads and writes."""

    @property
    def kind(self) -> Revision.Kind: ...

    @property
    def columns(self) -> Sequence[str]: ...

    @property
    def given(self) -> Mapping[str, Any]:
        """The arguments, for display."""
        ...

    def after(self, before: State) -> State | None:
        """Return the new values of these columns; None if the picture would have too many tags."""
        ...


@dataclass(frozen=True)
class _OfTags:
    tags: Sequence[str]
    columns: ClassVar[Sequence[str]] = ("tags",)

    def __post_init__(self) -> None:
        """Raises ValidationError if there is no valid tag."""
        object.__setattr__(self, "tags", clean_tags(list(self.tags)))
        if not self.tags:
            raise ValidationError(_("Enter a tag first."))

    @property
    def given(self) -> Mapping[str, Any]:
        return {"tags": self.tags}

    @cached_property
    def _folded(self) -> set[str]:
        return {tag.casefold() for tag in self.tags}


class Tag(_OfTags):
    """Add tags without duplicates, ignoring case."""

    kind: ClassVar[Revision.Kind] = Revision.Kind.TAG

    def after(self, before: State) -> State | None:
        there = {tag.casefold() for tag in before["tags"]}
        tags = [*before["tags"], *(tag for tag in self.tags if tag.casefold() not in there)]
        return {"tags": tags} if len(tags) <= MOST_TAGS or tags == before["tags"] else None


class Untag(_OfTags):
    """Remove tags, ignoring case."""

    kind: ClassVar[Revision.Kind] = Revision.Kind.UNTAG

    def after(self, before: State) -> State | None:
        return {"tags": [tag for tag in before["tags"] if tag.casefold() not in self._folded]}


@dataclass(frozen=True)
class Retag:
    """Replace all tags. Raises ValidationError if there are too many."""

    tags: Sequence[str]
    kind: ClassVar[Revision.Kind] = Revision.Kind.DESCRIBE
    columns: ClassVar[Sequence[str]] = ("tags",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tags", clean_tags(list(self.tags)))
        if len(self.tags) > MOST_TAGS:
            raise ValidationError({"tags": _("A picture can have at most %(limit)s tags.") % {"limit": MOST_TAGS}})

    @property
    def given(self) -> Mapping[str, Any]:
        return {"tags": self.tags}

    def after(self, before: State) -> State | None:
        return {"tags": list(self.tags)}


@dataclass(frozen=True)
class _OfAlbum:
    album: Album
    columns: ClassVar[Sequence[str]] = ("albums",)

    @property
    def given(self) -> Mapping[str, Any]:
        return {"album": self.album.pk, "title": self.album.title}


class AddToAlbum(_OfAlbum):
    """Append to an album."""

    kind: ClassVar[Revision.Kind] = Revision.Kind.ALBUM

    def after(self, before: State) -> State | None:
        return {"albums": sorted({*before["albums"], self.album.pk})}


class RemoveFromAlbum(_OfAlbum):
    """Remove from an album."""

    kind: ClassVar[Revision.Kind] = Revision.Kind.UNALBUM

    def after(self, before: State) -> State | None:
        return {"albums": [one for one in before["albums"] if one != self.album.pk]}


@dataclass(frozen=True)
class _Fixed:
    columns: ClassVar[Sequence[str]]
    given: ClassVar[Mapping[str, Any]] = {}
    values: ClassVar[State]

    def after(self, before: State) -> State | None:
        return self.values


@dataclass(frozen=True)
class ShowTo:
    """Set who may see pictures. Raises ValidationError if that is not possible."""

    visibility: str
    kind: ClassVar[Revision.Kind] = Revision.Kind.VISIBILITY
    columns: ClassVar[Sequence[str]] = ("visibility",)

    def __post_init__(self) -> None:
        problem = ""
        if self.visibility not in Visibility.values:
            problem = _("Choose who can see the pictures.")
        elif self.visibility != Visibility.PUBLIC and not Private.may_be():
            problem = _("Pictures can't be private here, because anyone can fetch them from the storage.")
        if problem:
            raise ValidationError({"visibility": problem})

    @property
    def given(self) -> Mapping[str, Any]:
        return {"visibility": self.visibility}

    def after(self, before: State) -> State | None:
        return {"visibility": self.visibility}


class Hide(_Fixed):
    kind: ClassVar[Revision.Kind] = Revision.Kind.HIDE
    columns, values = ("hidden",), {"hidden": True}


class Show(_Fixed):
    kind: ClassVar[Revision.Kind] = Revision.Kind.SHOW
    columns, values = ("hidden",), {"hidden": False}


class Trash(_Fixed):
    """Move to the trash; delete permanently if `TRASH_DAYS` is 0."""

    kind: ClassVar[Revision.Kind] = Revision.Kind.TRASH
    columns, values = ("trashed",), {"trashed": True}


class Restore(_Fixed):
    kind: ClassVar[Revision.Kind] = Revision.Kind.RESTORE
    columns, values = ("trashed",), {"trashed": False}


@dataclass(frozen=True)
class Describe:
    """Set fields of pictures and their captures to these values.

    Raises ValidationError, by field, for invalid values.
    """

    values: Mapping[str, Any]
    kind: ClassVar[Revision.Kind] = Revision.Kind.DESCRIBE

    def __post_init__(self) -> None:
        found: dict[str, Any] = {}
        problems: dict[str, Any] = {}
        for name, value in self.values.items():
            try:
                found[name] = _checked(name, value)
            except ValidationError as problem:
                problems[name] = problem
        if not problems and (found.get("latitude") is None) != (found.get("longitude") is None):
            problems["latitude"] = ValidationError(_("A location needs both a latitude and a longitude."))
        if problems:
            raise ValidationError(problems)
        if "taken" in found:
            found["taken_from"] = str(Capture.TakenFrom.PERSON) if found["taken"] else ""
        object.__setattr__(self, "values", found)

    @cached_property
    def columns(self) -> Sequence[str]:
        return sorted({column for name in self.values for column in group_of(name)})

    @property
    def given(self) -> Mapping[str, Any]:
        return {name: value for name, value in self.values.items() if name not in _UNTOUCHABLE}

    def after(self, before: State) -> State | None:
        return {**{name: before[name] for name in self.columns}, **self.values}


_RANGES = {"rating": (1, 5), "latitude": (-90, 90), "longitude": (-180, 180), "taken_offset": (-18 * 60, 18 * 60)}


def _checked(name: str, value: Any) -> Any:
    """Return a valid value in its JSON form."""
    if name in _UNTOUCHABLE or name not in {*IMAGE_COLUMNS, *CAPTURE_COLUMNS}:
        raise ValidationError(_("There is no such field."))
    if name == "uploader":
        return value.pk if hasattr(value, "pk") else value
    model: Any = Image if name in IMAGE_COLUMNS else Capture
    try:
        cleaned = model._meta.get_field(name).clean(value, None)
    except ValueError:
        raise ValidationError(_("This is not a date and time.")) from None
    least, most = _RANGES.get(name, (None, None))
    if cleaned is not None and least is not None and most is not None and not least <= cleaned <= most:
        raise ValidationError(_("From %(least)s to %(most)s."), params={"least": least, "most": most})
    return plain(cleaned)
