"""What the words of a picture are found by, beside the row that holds its vector."""

from typing import ClassVar

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models

from search.models.image import Image


class ImageWords(models.Model):
    """The words of one picture's title, tags and description. A trigger of the database writes it, and nobody else.

    A table of its own, so that to rank a hundred thousand rows by their words none of their vectors is read, and that
    long texts push no vector out of its row.
    """

    # The database deletes it with its image: Django need not ask for it first.
    image = models.OneToOneField(
        Image,
        on_delete=models.DO_NOTHING,
        primary_key=True,
        db_constraint=False,
        related_name="words",
    )
    # Title (A), tags (B) and description (C), with a place left free between them: no phrase reaches across. What
    # words of Korean end with stands at their places, behind a "~".
    vector = SearchVectorField()
    # The title's words, one space between them.
    title = models.TextField()

    class Meta:
        default_permissions = ()
        indexes: ClassVar = [GinIndex(fields=["vector"], name="image_words_vector")]

    def __str__(self) -> str:
        return self.title
