"""Revisions: people's changes, to be looked up and undone; and the trash. `edits_with_history` writes the changes."""

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from search.models.foreign_keys import image_key, user_key

OWN_FIELDS = ("title", "description", "author", "licence", "source_link", "tags", "visibility")
"""Fields of their own pictures that uploaders may change."""


class Revision(models.Model):
    """One change by one person, of one or many pictures. `undone_by` is the revision that undid it and is itself in
    effect."""

    class Kind(models.TextChoices):
        TAG = "tag", _("Tags added")
        UNTAG = "untag", _("Tags removed")
        HIDE = "hide", _("Hidden")
        SHOW = "show", _("Visible")
        DESCRIBE = "describe", _("Details changed")
        TRASH = "trash", _("Moved to the trash")
        RESTORE = "restore", _("Restored from the trash")
        ALBUM = "album", _("Added to an album")
        UNALBUM = "unalbum", _("Removed from an album")
        DELETE_ALBUM = "del_album", _("Album deleted")
        VISIBILITY = "visibility", _("Visibility changed")
        MERGE = "merge", _("Duplicates merged")
        RETAG = "retag", _("Tags renamed")
        UNDO = "undo", _("Undone")

    class Door(models.TextChoices):
        """Where the change was made."""

        ELSEWHERE = "", _("elsewhere")
        PAGE = "page", _("the search page")
        ADMIN = "admin", _("the administration")
        API = "api", _("the API")
        COMMAND = "command", _("a command")

    kind = models.CharField(_("change"), max_length=10, choices=Kind, editable=False)
    by = user_key(_("user"), related_name="revisions", editable=False)
    created = models.DateTimeField(_("date"), db_default=Now(), editable=False)
    door = models.CharField(_("where"), max_length=10, choices=Door, blank=True, default="", editable=False)
    # The query string of the search or admin list that found the pictures, or the command line.
    search = models.TextField(_("search"), blank=True, default="", editable=False)
    # The requested change, as {"tags": ["sea"]}.
    given = models.JSONField(default=dict, editable=False)
    # Names of all fields changed in any of the pictures.
    fields = ArrayField(models.CharField(max_length=20), default=list, editable=False)
    count = models.PositiveIntegerField(_("pictures"), default=0, editable=False)
    # Old revisions have no row any more: use the key alone.
    undoes_id = models.BigIntegerField(null=True, editable=False)
    undone_by = models.ForeignKey(
        "self",
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        editable=False,
        related_name="+",
    )

    # After a change: how many pictures were skipped because they have the maximum of tags, and whether a lock of
    # another user kept the last batch from being changed.
    full: int = 0
    is_partial: bool = False

    class Meta:
        verbose_name = _("change to pictures")
        verbose_name_plural = _("changes to pictures")
        default_permissions = ()
        ordering: ClassVar = ["-pk"]
        indexes: ClassVar = [models.Index(fields=["created"], name="revision_age")]

    def was_undone_by_now(self) -> bool:
        """Whether it has been undone, maybe since it was read."""
        return Revision.objects.filter(pk=self.pk, undone_by__isnull=False).exists()

    def __str__(self) -> str:
        """A description, as "Tags added: sea"."""
        given = ", ".join(self.given.get("tags", ())) or self.given.get("title", "")
        if former := self.given.get("former"):
            given = f"{', '.join(former)} → {given}"
        is_named = given and self.kind != self.Kind.DESCRIBE
        return f"{self.get_kind_display()}: {given}" if is_named else str(self.get_kind_display())

    @property
    def moves_trash(self) -> bool:
        """Whether it concerns the trash, for which users need the permission to delete."""
        return "trashed" in self.fields

    def may_be_undone_by(self, user: Any) -> bool:
        needed = {"search.delete_image"} if self.moves_trash else set()
        if not self.moves_trash or set(self.fields) - {"trashed"}:
            needed.add("search.change_image")
        return bool(user.has_perms(needed)) or self._is_own_of(user)

    def _is_own_of(self, user: Any) -> bool:
        """Whether this user made the change, with no more than an uploader's rights."""
        if self.by_id is None or self.by_id != user.pk:
            return False
        fields = set(self.fields)
        if "albums" in fields and not user.has_perm("search.add_album"):
            return False
        if not fields - {"albums"}:
            return bool(fields)
        theirs = fields <= {"albums", *OWN_FIELDS} and user.has_perm("search.change_own_image")
        others = Edit.objects.filter(revision=self).exclude(image__uploader=user)
        return bool(theirs) and not others.exists()


class Edit(models.Model):
    """What a revision changed in one picture: only fields that differ, before and after.

    `search.models.edits_with_history` describes the values. The database deletes these rows with their
    picture and their revision, and updates them when the picture's id changes.
    """

    pk = models.CompositePrimaryKey("revision", "image")
    revision = models.ForeignKey(
        Revision, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="edits"
    )
    image = models.ForeignKey(
        "search.Image", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="edits"
    )
    before = models.JSONField()
    after = models.JSONField()

    class Meta:
        default_permissions = ()
        indexes: ClassVar = [models.Index(fields=["image", "revision"], name="edit_of_image")]

    def __str__(self) -> str:
        return f"{self.revision_id}: {self.image_id}"


class Trashed(models.Model):
    """A picture in the trash, until it is restored or deleted for good. The database keeps it hidden meanwhile;
    `was_hidden` is the value to restore.
    """

    image = image_key("trashed")
    created = models.DateTimeField(_("date"), db_default=Now(), editable=False)
    by = user_key(_("user"), editable=False)
    was_hidden = models.BooleanField(editable=False)

    class Meta:
        verbose_name = _("picture in the trash")
        verbose_name_plural = _("pictures in the trash")
        default_permissions = ()
        ordering: ClassVar = ["-created", "image"]
        indexes: ClassVar = [models.Index(fields=["created", "image"], name="trashed_age")]

    def __str__(self) -> str:
        return str(self.image_id)
