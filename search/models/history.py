"""What people changed, so that it can be looked up and undone; and what waits in the trash."""

from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

OWN_FIELDS = ("title", "description", "author", "licence", "source_link", "tags", "visibility")
"""What people may change of pictures that they have added themselves."""


class Revision(models.Model):
    """One change by one person, of one picture or of thousands. `undone_by` is the revision that has undone it and was
    not undone itself."""

    class Kind(models.TextChoices):
        TAG = "tag", _("Tags added")
        UNTAG = "untag", _("Tags removed")
        HIDE = "hide", _("Hidden")
        SHOW = "show", _("Shown")
        DESCRIBE = "describe", _("Details changed")
        TRASH = "trash", _("Put into the trash")
        RESTORE = "restore", _("Taken out of the trash")
        ALBUM = "album", _("Put into an album")
        UNALBUM = "unalbum", _("Taken out of an album")
        DELETE_ALBUM = "del_album", _("Album deleted")
        VISIBILITY = "visibility", _("Seen by others")
        MERGE = "merge", _("Duplicates merged")
        RETAG = "retag", _("Tags renamed")
        UNDO = "undo", _("Undone")

    class Door(models.TextChoices):
        """Where it was done."""

        ELSEWHERE = "", _("elsewhere")
        PAGE = "page", _("the search page")
        ADMIN = "admin", _("the administration")
        API = "api", _("the API")
        COMMAND = "command", _("a command")

    kind = models.CharField(_("what"), max_length=10, choices=Kind, editable=False)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("who"),
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="revisions",
    )
    created = models.DateTimeField(_("when"), db_default=Now(), editable=False)
    door = models.CharField(_("where"), max_length=10, choices=Door, blank=True, default="", editable=False)
    # The query string of the search, or of the admin's list, that found the pictures; or how the command was called.
    search = models.TextField(_("found by"), blank=True, default="", editable=False)
    # What was asked for, as {"tags": ["sea"]}.
    given = models.JSONField(default=dict, editable=False)
    # Names of what has changed in any of the pictures.
    fields = ArrayField(models.CharField(max_length=20), default=list, editable=False)
    count = models.PositiveIntegerField(_("pictures"), default=0, editable=False)
    # Of older ones than are kept there is no row: go by the key alone.
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

    # Of a change that was just made: how many pictures were left as they are since they have as many tags as a picture
    # may have, and whether somebody else kept the last of them locked.
    full: int = 0
    is_partial: bool = False

    class Meta:
        verbose_name = _("change of pictures")
        verbose_name_plural = _("changes of pictures")
        default_permissions = ()
        ordering: ClassVar = ["-pk"]
        indexes: ClassVar = [models.Index(fields=["created"], name="revision_age")]

    def was_undone_by_now(self) -> bool:
        """Whether somebody has undone it, maybe since it was read."""
        return Revision.objects.filter(pk=self.pk, undone_by__isnull=False).exists()

    def __str__(self) -> str:
        """What was done, as "Tags added: sea"."""
        given = ", ".join(self.given.get("tags", ())) or self.given.get("title", "")
        if former := self.given.get("former"):
            given = f"{', '.join(former)} → {given}"
        is_named = given and self.kind != self.Kind.DESCRIBE
        return f"{self.get_kind_display()}: {given}" if is_named else str(self.get_kind_display())

    @property
    def moves_trash(self) -> bool:
        """Whether it is about the trash, for which people need the permission to delete."""
        return "trashed" in self.fields

    def may_be_undone_by(self, user: Any) -> bool:
        needed = {"search.delete_image"} if self.moves_trash else set()
        if not self.moves_trash or set(self.fields) - {"trashed"}:
            needed.add("search.change_image")
        return bool(user.has_perms(needed)) or self._is_own_of(user)

    def _is_own_of(self, user: Any) -> bool:
        """Whether it is a change that somebody without the right to change all pictures could make, and has made."""
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
    """What a revision has changed of one picture: the fields before and after, those alone that differ.

    `search.models.editing` says what they hold. The database deletes these rows with their picture and with their
    revision, and changes them with the picture's id.
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
    """A picture that waits in the trash until it is restored or deleted for good. It is hidden meanwhile, which the
    database sees to; whether it was hidden before is kept.

    The database deletes these rows with their picture, and changes them with its id.
    """

    image = models.OneToOneField(
        "search.Image", primary_key=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="trashed"
    )
    created = models.DateTimeField(_("when"), db_default=Now(), editable=False)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("who"),
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
    )
    was_hidden = models.BooleanField(editable=False)

    class Meta:
        verbose_name = _("picture in the trash")
        verbose_name_plural = _("pictures in the trash")
        default_permissions = ()
        ordering: ClassVar = ["-created", "image"]
        indexes: ClassVar = [models.Index(fields=["created", "image"], name="trashed_age")]

    def __str__(self) -> str:
        return str(self.image_id)
