"""The full-text index of each picture (tsvector), in a table separate from the embeddings."""

from typing import ClassVar

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models

from search.models.references import image_key


class ImageWords(models.Model):
    """The words of a picture's title, tags and description. Written only by a database trigger.

    A separate table, so that ranking a hundred thousand rows by words reads no embedding, and long texts push no
    embedding out of its row.
    """

    image = image_key("words")
    # Title (A), tags (B) and description (C), with a position left free between them, so that no phrase spans them.
    # Endings of Korean words are at the positions of their words, behind a "~".
    vector = SearchVectorField()
    # The title's words, separated by single spaces.
    title = models.TextField()

    class Meta:
        default_permissions = ()
        indexes: ClassVar = [GinIndex(fields=["vector"], name="image_words_vector")]

    def __str__(self) -> str:
        return self.title
