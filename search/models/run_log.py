"""The log of runs: each run that adds pictures or processes all of them, and the files it left out."""

import datetime as dt
from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from search.models.references import user_key

SILENT_AFTER = dt.timedelta(seconds=45)
"""A run that has not ended, and was silent for so long, was interrupted: `search.ingestion.run_recording` reports
every ten seconds."""


class RunQuerySet(models.QuerySet["Run"]):
    def with_state(self) -> "RunQuerySet":
        """Annotate `state`, by the database's clock: runs execute on other machines."""
        silent = models.Q(noted__lt=Now() - SILENT_AFTER)
        state = models.Case(
            models.When(~models.Q(outcome=""), then=models.F("outcome")),
            models.When(silent, then=models.Value(Run.INTERRUPTED)),
            default=models.Value(Run.RUNNING),
            output_field=models.CharField(),
        )
        annotated: dict[str, Any] = {"state": state}
        return self.annotate(**annotated)

    def in_state(self, *states: str) -> "RunQuerySet":
        """Those in one of these states, annotated."""
        wanted: dict[str, Any] = {"state__in": states}
        return self.with_state().filter(**wanted)


class Run(models.Model):
    """One run: who started it, when, from where, and its results.

    Names of files that were not added are in RunFile, up to a maximum; the counts are of all files.
    """

    class Kind(models.TextChoices):
        INGEST = "ingest", _("Ingestion")
        UPLOAD = "upload", _("Upload")
        EMBED = "embed_pending", _("Computing pending vectors")
        REEMBED = "reembed", _("Recomputing vectors")
        DUPLICATES = "find_duplicates", _("Searching for duplicates")
        METADATA = "read_metadata", _("Reading metadata")
        PLACES = "find_places", _("Looking up places")
        COLOURS = "find_colours", _("Finding colours")
        RECONCILE = "reconcile", _("Checking the storage")

    class Outcome(models.TextChoices):
        UNDER_WAY = "", _("in progress")
        DONE = "done", _("done")
        STOPPED = "stopped", _("stopped")
        FAILED = "failed", _("failed")

    class Door(models.TextChoices):
        PAGE = "page", _("the website")
        API = "api", _("the API")
        ADMIN = "admin", _("the administration")
        COMMAND = "command", _("a command")

    RUNNING: ClassVar = "running"
    INTERRUPTED: ClassVar = "interrupted"

    kind = models.CharField(_("type"), max_length=16, choices=Kind, default=Kind.INGEST, editable=False)
    door = models.CharField(_("source"), max_length=10, choices=Door, default=Door.COMMAND, editable=False)
    by = user_key(_("user"), editable=False)
    # For a command: the system account, and the machine.
    account = models.TextField(_("account"), blank=True, default="", editable=False)
    machine = models.TextField(_("machine"), blank=True, default="", editable=False)
    # Its arguments as absolute paths and URLs; and its options.
    places = models.JSONField(_("locations"), default=list, editable=False)
    options = models.JSONField(default=dict, editable=False)
    retries = models.ForeignKey(
        "self", on_delete=models.DO_NOTHING, db_constraint=False, null=True, editable=False, related_name="retried_by"
    )
    started = models.DateTimeField(_("started"), db_default=Now(), editable=False)
    noted = models.DateTimeField(_("last activity"), db_default=Now(), editable=False)
    ended = models.DateTimeField(_("ended"), null=True, editable=False)
    outcome = models.CharField(
        _("outcome"), max_length=10, choices=Outcome, blank=True, default="", db_default="", editable=False
    )
    problem = models.TextField(_("reason for stopping"), blank=True, default="", db_default="", editable=False)

    added = models.PositiveBigIntegerField(_("added"), default=0)
    known = models.PositiveBigIntegerField(_("already here"), default=0)
    changed = models.PositiveBigIntegerField(_("new versions"), default=0)
    updated = models.PositiveBigIntegerField(_("changed details"), default=0)
    restored = models.PositiveBigIntegerField(_("files restored"), default=0)
    trashed = models.PositiveBigIntegerField(_("in the trash"), default=0)
    deleted = models.PositiveBigIntegerField(_("deleted earlier"), default=0)
    refused = models.PositiveBigIntegerField(_("rejected"), default=0)
    failed = models.PositiveBigIntegerField(_("failed"), default=0)
    # By file extension, such as ".mov"; "" for hidden and excluded files, recycle bins and the like.
    left_alone = models.JSONField(_("skipped"), default=dict, editable=False)

    objects = RunQuerySet.as_manager()

    # Annotated by `with_state`.
    state: str

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        default_permissions = ()
        ordering: ClassVar = ["-pk"]
        indexes: ClassVar = [
            models.Index(fields=["started"], name="run_age"),
            models.Index(fields=["kind", "-id"], name="run_last_of_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.pk}: {self.get_kind_display()}"

    @property
    def lasted(self) -> dt.timedelta:
        """How long it took, or has taken so far."""
        return (self.ended or self.noted) - self.started

    @property
    def left_out(self) -> int:
        """How many files it tried to add and could not."""
        return self.refused + self.failed


class RunFile(models.Model):
    """A file that a run did not add, and why. The database deletes these rows with their run."""

    class Kind(models.TextChoices):
        FAILED = "failed", _("failed")
        REFUSED = "refused", _("rejected")
        DELETED = "deleted", _("deleted earlier")
        LEFT = "left", _("skipped")

    run = models.ForeignKey(
        Run, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="files"
    )
    kind = models.CharField(_("type"), max_length=8, choices=Kind, editable=False)
    name = models.TextField(_("name"), editable=False)
    # Its address as in origins; "" for uploads and the like.
    address = models.TextField(blank=True, default="", editable=False)
    reason = models.TextField(_("reason"), editable=False)

    class Meta:
        verbose_name = _("file of a run")
        verbose_name_plural = _("files of runs")
        default_permissions = ()
        ordering: ClassVar = ["pk"]
        indexes: ClassVar = [models.Index(fields=["run", "id"], name="run_file_of_run")]

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"
