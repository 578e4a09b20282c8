"""Albums: images that a user has put together, in an order of their own."""

import uuid
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.contrib.postgres.functions import RandomUUID
from django.db import models, transaction
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from search.models.foreign_keys import user_key
from search.models.sql_statements import execute
from search.models.text_fields import LineField, ProseField

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

LONGEST_TITLE = 200


class Visibility(models.TextChoices):
    """Who sees something: owner and curators; all who are logged in; everybody."""

    OWN = "own", _("only me and curators")
    MEMBERS = "members", _("everyone with an account")
    PUBLIC = "public", _("everyone")


class AlbumVisibility(models.TextChoices):
    """Who sees an album. By link it is opened by everybody who has the link, but neither listed nor found by them."""

    OWN = Visibility.OWN.value, Visibility.OWN.label
    LINK = "link", _("everyone with the link")
    MEMBERS = Visibility.MEMBERS.value, Visibility.MEMBERS.label
    PUBLIC = Visibility.PUBLIC.value, Visibility.PUBLIC.label


class Place(models.TextChoices):
    """Targets for moving images within an album."""

    FIRST = "first", _("Move to the start")
    EARLIER = "earlier", _("Move one earlier")
    LATER = "later", _("Move one later")
    LAST = "last", _("Move to the end")


class AlbumQuerySet(models.QuerySet["Album"]):
    def kept(self) -> Self:
        """Those not deleted."""
        return self.filter(deleted=None)

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Those that this user may see, and search by."""
        kept = self.kept()
        if sees_all(user):
            return kept
        if not user.is_authenticated:
            return kept.filter(visibility=AlbumVisibility.PUBLIC)
        shown = models.Q(visibility__in=[AlbumVisibility.MEMBERS, AlbumVisibility.PUBLIC])
        return kept.filter(shown | models.Q(owner=user))

    def opened_by_link(self, token: uuid.UUID, user: "User | AnonymousUser") -> Self:
        """The one that this link opens for this user, if any. A private one is opened for nobody, its owner included,
        who sees so that the link has ended."""
        opened = self.visible_to(user) | self.kept().filter(visibility=AlbumVisibility.LINK)
        return opened.filter(token=token).exclude(visibility=AlbumVisibility.OWN)

    def editable_by(self, user: "User | AnonymousUser") -> Self:
        """Those that this user may change: all for curators, their own for those who may keep albums."""
        if edits_all(user):
            return self.kept()
        return self.kept().filter(owner=user) if may_keep_albums(user) else self.none()


def sees_all(user: "User | AnonymousUser") -> bool:
    return bool(user.is_staff and (user.has_perm("search.view_image") or user.has_perm("search.change_image")))


def edits_all(user: "User | AnonymousUser") -> bool:
    return bool(user.is_staff and user.has_perm("search.change_image"))


def may_keep_albums(user: "User | AnonymousUser") -> bool:
    return edits_all(user) or user.has_perm("search.add_album")


class Album(models.Model):
    """A title, and images in an order (`AlbumImage`). Images keep their own visibility."""

    title = LineField(_("title"), max_length=LONGEST_TITLE)
    description = ProseField(_("description"), max_length=5000, blank=True)
    owner = user_key(_("owner"), related_name="albums", blank=True)
    visibility = models.CharField(
        _("visible to"),
        max_length=7,
        choices=AlbumVisibility,
        default=AlbumVisibility.OWN,
        db_default=AlbumVisibility.OWN,
    )
    # The secret of the link. Every album has one, which opens it as far as its visibility allows.
    token = models.UUIDField(default=uuid.uuid4, db_default=RandomUUID(), unique=True, editable=False)
    # Cleared by the database when the image is deleted, and updated when its id changes.
    cover = models.ForeignKey(
        "search.Image", on_delete=models.DO_NOTHING, db_constraint=False, null=True, editable=False, related_name="+"
    )
    created = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    updated = models.DateTimeField(_("updated"), db_default=Now(), editable=False)
    # Soft deletion: kept for a while with its entries, visible to nobody; see `search.curation.album_deletion`.
    deleted = models.DateTimeField(_("deleted"), null=True, editable=False)

    objects = AlbumQuerySet.as_manager()

    class Meta:
        verbose_name = _("album")
        verbose_name_plural = _("albums")
        ordering: ClassVar = ["-updated", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=~models.Q(title=""), name="album_has_a_title"),
            models.CheckConstraint(
                condition=models.Q(visibility__in=["own", "link", "members", "public"]),
                name="album_visibility_is_known",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("album", args=[self.pk])

    def shared_url(self) -> str:
        """Return the path of its link."""
        return reverse("shared-album", args=[self.token])

    @transaction.atomic
    def move(self, image_ids: Collection[uuid.UUID], to: "Place | int", seen: Collection[uuid.UUID]) -> None:
        """Move some of its images, in their current order, to a position, of which the first is 1.

        Positions count only images in `seen`; each of the others stays behind the one before it.
        """
        Album.objects.select_for_update().get(pk=self.pk)
        entries = AlbumImage.objects.filter(album=self).order_by("position", "image_id")
        begin: list[uuid.UUID] = []
        following: dict[uuid.UUID, list[uuid.UUID]] = {}
        last = begin
        for one in entries.values_list("image_id", flat=True):
            if one in seen:
                last = following[one] = []
            else:
                last.append(one)
        moved = _moved(list(following), set(image_ids), to)
        self._write_order([*begin, *(each for one in moved for each in (one, *following[one]))])

    @transaction.atomic
    def sort_by_taken(self) -> None:
        """Sort its images by the time taken, those without a date last."""
        Album.objects.select_for_update().get(pk=self.pk)
        entries = AlbumImage.objects.filter(album=self)
        taken = models.F("image__capture__taken").asc(nulls_last=True)
        ordered = entries.order_by(taken, "image__created", "image_id")
        self._write_order(list(ordered.values_list("image_id", flat=True)))

    @transaction.atomic
    def put_first(self, image_ids: Sequence[uuid.UUID]) -> None:
        """Put those of these images that are in it first, in the order given."""
        Album.objects.select_for_update().get(pk=self.pk)
        entries = AlbumImage.objects.filter(album=self).order_by("position", "image_id")
        present = dict.fromkeys(entries.values_list("image_id", flat=True))
        first = dict.fromkeys(one for one in image_ids if one in present)
        self._write_order([*first, *(one for one in present if one not in first)])

    def _write_order(self, order: list[uuid.UUID]) -> None:
        execute(
            "UPDATE search_albumimage AS entry SET position = given.position"
            " FROM unnest(%s::uuid[]) WITH ORDINALITY AS given (image_id, position)"
            " WHERE entry.album_id = %s AND entry.image_id = given.image_id"
            " AND entry.position <> given.position",
            [order, self.pk],
        )
        Album.objects.filter(pk=self.pk).update(updated=Now())


def _moved(order: Sequence[uuid.UUID], chosen: Collection[uuid.UUID], to: "Place | int") -> list[uuid.UUID]:
    places = [place for place, one in enumerate(order) if one in chosen]
    others = [one for one in order if one not in chosen]
    start = places[0] if places else 0
    steps = {Place.FIRST: 0, Place.LAST: len(others), Place.EARLIER: start - 1, Place.LATER: start + 1}
    at = max(0, min(steps[to] if isinstance(to, Place) else to - 1, len(others)))
    return [*others[:at], *(order[place] for place in places), *others[at:]]


class AlbumImage(models.Model):
    """The position of an image in an album. Written by `search.models.edits_with_history`, as all edits.

    The database deletes these rows with their image and their album, and updates them when the image's id changes.
    """

    pk = models.CompositePrimaryKey("album", "image")
    album = models.ForeignKey(
        Album, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="entries"
    )
    image = models.ForeignKey(
        "search.Image", on_delete=models.DO_NOTHING, db_constraint=False, related_name="album_entries"
    )
    position = models.BigIntegerField()

    class Meta:
        default_permissions = ()
        indexes: ClassVar = [models.Index(fields=["album", "position", "image"], name="album_order")]

    def __str__(self) -> str:
        return f"{self.album_id}: {self.image_id}"


def hand_over_albums(former_id: uuid.UUID, image_id: uuid.UUID) -> None:
    """Add one image to all albums of another one, at the same positions. Within a transaction."""
    execute(
        "INSERT INTO search_albumimage (album_id, image_id, position)"
        " SELECT album_id, %s, position FROM search_albumimage WHERE image_id = %s ON CONFLICT DO NOTHING",
        [image_id, former_id],
    )
    execute("UPDATE search_album SET cover_id = %s WHERE cover_id = %s", [image_id, former_id])


def albums_of(image_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[int]]:
    """Return the ids of the albums that contain these images, in ascending order, by image."""
    found: dict[uuid.UUID, list[int]] = {}
    entries: Any = AlbumImage.objects.filter(image__pk__any_of=frozenset(image_ids)).order_by("album_id")
    for image_id, album_id in entries.values_list("image_id", "album_id"):
        found.setdefault(image_id, []).append(album_id)
    return found
