"""Record changes as revisions (`search.models.revisions`): those of `bulk_changes`, and those made by the form of one
picture or by a command."""

import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from search.curation.admin_log import log_revision
from search.curation.snapshots import current
from search.curation.tag_decisions import update_suggestions
from search.models import Revision
from search.models.edits_with_history import difference, note
from search.models.given_states import Row, State


def record(revision: Revision, rows: Collection[Row]) -> None:
    """Record that a revision has changed these images. Call in the transaction that changes them."""
    if not rows:
        return
    if revision.pk is None:
        revision.save(force_insert=True)
        log_revision(revision)
    note(revision.pk, list(rows))
    update_suggestions(rows, revision)
    revision.count += len(rows)


@contextmanager
def recorded(image_ids: Collection[uuid.UUID], revision: Revision) -> Iterator[None]:
    """Record what the block changes of these images, whose rows are locked, in this revision, saved or not. Call in a
    transaction."""
    before = current(image_ids)
    yield
    record_since(before, revision)


def record_since(before: Mapping[uuid.UUID, State], revision: Revision) -> None:
    """Record the changes since `before`, a result of `snapshots.current`."""
    after = current(before.keys())
    rows = (difference(image_id, before[image_id], state) for image_id, state in after.items())
    record(revision, [row for row in rows if row])
