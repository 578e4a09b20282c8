"""Revisions of what is written elsewhere: by the form of one picture, by a command."""

import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from search.curation.changing import record
from search.curation.states import current
from search.models import Revision
from search.models.editing import difference


@contextmanager
def recorded(image_ids: Collection[uuid.UUID], revision: Revision) -> Iterator[None]:
    """Write down in this revision, saved or not, what the block changes of images whose rows are locked. In a
    transaction."""
    before = current(image_ids)
    yield
    after = current(image_ids)
    rows = (difference(image_id, before[image_id], state) for image_id, state in after.items() if image_id in before)
    record(revision, [row for row in rows if row])
