"""Log permanent deletions in the admin's history, which outlives the pictures."""

import uuid
from collections.abc import Collection
from typing import Any

from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType

from search.models import Image, Revision
from search.models.sql_statements import execute


def log_deletions(image_ids: Collection[uuid.UUID], by: Any) -> None:
    """Log that this user deletes these images, in one statement. Call in the transaction that deletes them."""
    if by is None:
        return
    execute(
        "INSERT INTO django_admin_log (action_time, user_id, content_type_id, object_id, object_repr, "
        "action_flag, change_message) "
        "SELECT now(), %s, %s, id, left(coalesce(nullif(title, ''), %s), 200), %s, '' "
        "FROM search_image WHERE id = ANY(%s) ORDER BY id",
        [by.pk, ContentType.objects.get_for_model(Image).pk, Image().name, DELETION, list(image_ids)],
    )


def log_revision(revision: Revision) -> None:
    """Log a revision among the user's recent actions in the admin."""
    if revision.by_id:
        LogEntry.objects.create(
            user_id=revision.by_id,
            content_type=ContentType.objects.get_for_model(Revision),
            object_id=str(revision.pk),
            object_repr=str(revision)[:200],
            action_flag=CHANGE,
        )
