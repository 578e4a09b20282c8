"""Record uploads: one user's uploads within some minutes form one run, since the page sends file by file."""

import datetime as dt
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.core.files.uploadedfile import UploadedFile
from django.db import Error, transaction
from django.db.models import F
from django.db.models.functions import Now

from search.curation.details import Details
from search.curation.metadata_import import Written
from search.decoding import Busy
from search.http.forms import check_size
from search.imaging import Reason, UnreadableImage
from search.ingestion import Added, DeletedPicture
from search.ingestion.report import MOST_OTHERS_NAMED
from search.ingestion.run_recording import LONGEST_NAME, LONGEST_REASON
from search.ingestion.sources.file_names import storable
from search.ingestion.uploads import add_or_restore
from search.models import Run, RunFile
from search.models.sql_statements import execute

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

TOGETHER_WITHIN = dt.timedelta(minutes=10)
"""Time after an upload within which another by the same user belongs to the same run."""
_LOCK = 0x55504C44


def add_upload(
    file: "UploadedFile[Any]", details: Details, user: "User | None", *, written: Written, visibility: str, door: str
) -> Added:
    """Add one uploaded picture as `add_or_restore` does, and record the outcome in a run.

    Raises UnreadableImage, also for too many bytes, and what `add_or_restore` raises.
    """
    name = file.name or ""
    try:
        check_size(file)
        added = add_or_restore(file, details, user, written=written, visibility=visibility, door=door)
    except (UnreadableImage, DeletedPicture) as problem:
        ours = isinstance(problem, UnreadableImage) and problem.code is Reason.NO_MEMORY
        kind = RunFile.Kind.FAILED if ours else RunFile.Kind.REFUSED
        if isinstance(problem, DeletedPicture):
            kind = RunFile.Kind.DELETED
        _note(user, door, kind, name, str(problem))
        raise
    except Exception as problem:
        reason = "Too many pictures at once." if isinstance(problem, Busy) else f"{type(problem).__name__}: {problem}"
        _note(user, door, RunFile.Kind.FAILED, name, reason)
        raise
    _note(user, door, "added" if added.is_new else "known")
    return added


def _note(user: "User | None", door: str, what: str, name: str = "", reason: str = "") -> None:
    """Count an upload, and record the name of a file that was not added. Errors here don't fail the upload."""
    try:
        with transaction.atomic():
            run = _run_of(user, door, {str(what): 1})
            if reason and RunFile.objects.filter(run=run).count() < MOST_OTHERS_NAMED:
                cut = storable(reason)[:LONGEST_REASON]
                RunFile.objects.create(run_id=run, kind=what, name=storable(name)[:LONGEST_NAME], reason=cut)
    except Error as error:
        logger.warning("An upload could not be recorded: %s", error)


def _run_of(user: "User | None", door: str, counts: Mapping[str, int]) -> int:
    """Add the counts to the user's current run; return its id. All anonymous users share one."""
    # Without the lock, two first uploads at once would each create a run.
    execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK, user.pk % 2**31 if user else -1])
    its = Run.objects.filter(kind=Run.Kind.UPLOAD, door=door, by=user, noted__gt=Now() - TOGETHER_WITHIN)
    last = its.order_by("-pk").values_list("pk", flat=True).first()
    more = {name: F(name) + count for name, count in counts.items()}
    if last is not None and its.filter(pk=last).update(noted=Now(), ended=Now(), **more):
        return last
    run = Run.objects.create(kind=Run.Kind.UPLOAD, door=door, by=user, outcome=Run.Outcome.DONE, ended=Now(), **counts)
    return run.pk
