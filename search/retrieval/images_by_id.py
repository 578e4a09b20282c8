"""Read images by id for lists of pictures."""

import uuid
from collections.abc import Iterable
from typing import Any, NamedTuple

from django.db import connection

from search.models import Image
from search.models.sql_cache import Sql, sql_of
from search.models.sql_statements import fetch_with_names
from search.query.filter_sql import Either, Mine, Yes, visible


class _Given(NamedTuple):
    ids: Any
    hidden: Yes | Either | Mine | None


def shown_images(ids: Iterable[uuid.UUID], *, hidden: Yes | Either | Mine | None = None) -> dict[uuid.UUID, Image]:
    """Return the images of these ids that everybody may see, by id, without columns that lists don't show; `hidden`
    includes others, as in filters."""
    names, rows = fetch_with_names(*sql_of(_made, None, _Given(list(ids), hidden)))
    images = [Image.from_db(connection.alias, frozenset(names), row) for row in rows]
    return {image.pk: image for image in images}


def _made(_form: None, given: _Given) -> Sql:
    images = visible(Image.objects.for_lists(), given.hidden)
    return images.filter(pk__any_of=given.ids).order_by().query.sql_with_params()
