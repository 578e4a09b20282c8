"""Actions on pictures on the pages: permissions, targets and form data."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias
from uuid import UUID

from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from search.accounts.roles import may_edit_own
from search.curation import AddToAlbum, Change, Describe, Hide, RemoveFromAlbum, Show, ShowTo, Tag, Trash, Untag
from search.http.form_fields import TagsField
from search.http.id_parsing import row_id
from search.models import Album, Image
from search.models.albums import LONGEST_TITLE, may_keep_albums
from search.text.normalization import normalised_text
from search.views.images import FIELDS, may_curate, may_delete

_Made: TypeAlias = Callable[[QueryDict], Change]
OF_OWN = ("tag", "untag", "edit", "visibility")
"""Actions that uploaders may apply to their own pictures."""
OF_ALBUMS = ("album", "unalbum")


class NotThus(Exception):
    """Invalid action. The message is for the user."""


class NotYours(NotThus):
    """The user may change none of these pictures."""


def _tags(params: QueryDict) -> list[str]:
    # Split and validated by the form field, whose errors name the tag.
    tags: list[str] = TagsField(required=False).clean(params.get("tags", ""))
    return tags


def _described(params: QueryDict) -> Describe:
    """Return filled fields; with `shown-` values in the form, those that differ from them."""
    values: dict[str, Any] = {}
    for name in FIELDS:
        value = params.get(name, "").strip()
        shown = params.get(f"shown-{name}")
        if value if shown is None else value != shown.strip():
            values[name] = value
    if not values:
        raise ValidationError(_("Fill in what you want to change."))
    return Describe(values)


_VERBS: dict[str, _Made] = {
    "tag": lambda params: Tag(_tags(params)),
    "untag": lambda params: Untag(_tags(params)),
    "hide": lambda params: Hide(),
    "show": lambda params: Show(),
    "edit": _described,
    "visibility": lambda params: ShowTo(params.get("visibility", "")),
    "trash": lambda params: Trash(),
}


def check(request: HttpRequest, verb: str) -> None:
    """Raise PermissionDenied if the user may apply this to no picture, NotThus for an unknown action."""
    if verb == "trash":
        may = may_delete(request)
    elif verb in OF_ALBUMS:
        may = may_keep_albums(request.user)
    else:
        may = may_curate(request) or (verb in OF_OWN and may_edit_own(request.user))
    if not may:
        raise PermissionDenied
    if verb not in _VERBS and verb not in OF_ALBUMS:
        raise NotThus(_("This change does not exist."))


def change_of(request: HttpRequest, verb: str) -> Change:
    """Return the change that the form describes. Raises ValidationError and NotThus."""
    if verb in OF_ALBUMS:
        album = _album(request, may_be_new=verb == "album")
        return AddToAlbum(album) if verb == "album" else RemoveFromAlbum(album)
    return _VERBS[verb](request.POST)


def _album(request: HttpRequest, *, may_be_new: bool) -> Album:
    chosen = request.POST.get("album", "").strip()
    title = normalised_text(request.POST.get("album_title", ""))
    if title and may_be_new and chosen in ("", "new"):
        if len(title) > LONGEST_TITLE:
            raise ValidationError(_("A title can have at most %(limit)s characters."), params={"limit": LONGEST_TITLE})
        assert request.user.is_authenticated
        return Album.objects.create(title=title, owner=request.user)
    if chosen in ("", "new"):
        raise ValidationError(
            _("Choose an album, or enter the title of a new one.") if may_be_new else _("Choose an album.")
        )
    album = Album.objects.editable_by(request.user).filter(pk=row_id(chosen) or 0).first()
    if album is None:
        raise NotThus(_("This album no longer exists, or it belongs to someone else."))
    return album


def allowed(request: HttpRequest, verb: str, ids: Sequence[UUID]) -> Sequence[UUID]:
    """Return those of these images that the user may apply it to. Raises NotYours for none."""
    if may_curate(request) or (verb == "trash" and may_delete(request)):
        return ids
    images = Image.objects.filter(pk__any_of=ids).visible_to(request.user)
    if verb in OF_OWN:
        images = images.filter(uploader=request.user.pk)
    there = set(images.values_list("pk", flat=True))
    if not there:
        raise NotYours(_("You can only change pictures that you have added."))
    return [one for one in ids if one in there]


def put_into_album(count: int) -> str:
    """Return a message with the number of pictures added to an album."""
    text = ngettext("%(count)s picture was added to the album.", "%(count)s pictures were added to the album.", count)
    return text % {"count": f"{count:,}"}


def left_to_others(count: int) -> str:
    """Return a message with the number of pictures left unchanged, since others added them."""
    text = ngettext(
        "%(count)s picture was skipped, because someone else added it.",
        "%(count)s pictures were skipped, because other people added them.",
        count,
    )
    return text % {"count": f"{count:,}"}
