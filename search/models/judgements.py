"""People's judgements of how well pictures fit queries: the labels by which models are compared."""

import uuid
from collections.abc import Collection
from typing import Any, ClassVar, Self

from django.db import models
from django.utils import timezone
from django.utils.translation import pgettext_lazy

from search.models.foreign_keys import user_key
from search.models.image import Image, content_id
from search.models.text_fields import LineField


class Judgement(models.Model):
    """The grade of one picture for one query; a later judgement replaces it, whoever made it.

    The id is a hash of query, language and picture: queries may be longer than an index allows.
    """

    class Grade(models.IntegerChoices):
        NOT = 0, pgettext_lazy("how well a picture fits a search", "Does not fit")
        LITTLE = 1, pgettext_lazy("how well a picture fits a search", "Fits partly")
        FITS = 2, pgettext_lazy("how well a picture fits a search", "Fits")

    id = models.UUIDField(primary_key=True, editable=False)
    query = LineField(max_length=1000)
    # A BCP 47 tag in lower case; "" if unknown.
    language = LineField(max_length=35, blank=True)
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="judgements")
    grade = models.PositiveSmallIntegerField(choices=Grade)
    judge = user_key(related_name="judgements", blank=True)
    judged = models.DateTimeField(default=timezone.now)

    class Meta:
        # Users who may change pictures may judge them.
        default_permissions = ()
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(grade__lte=2), name="judgement_grade_is_known"),
            models.CheckConstraint(condition=~models.Q(query=""), name="judgement_names_a_query"),
        ]

    def __str__(self) -> str:
        return f"{self.query}: {self.get_grade_display()}"

    @staticmethod
    def id_of(query: str, language: str, image_id: uuid.UUID) -> uuid.UUID:
        return content_id(f"{query}\0{language}\0{image_id}".encode())

    @staticmethod
    def say(query: str, language: str, image_id: uuid.UUID, grade: int, judge: Any) -> None:
        """Save the grade of a picture, replacing an earlier one.

        Raises IntegrityError if the picture is gone.
        """
        said = Judgement(
            id=Judgement.id_of(query, language, image_id),
            query=query,
            language=language,
            image_id=image_id,
            grade=grade,
            judge=judge,
        )
        columns = ["grade", "judge", "judged"]
        Judgement.objects.bulk_create([said], update_conflicts=True, unique_fields=["id"], update_fields=columns)

    @classmethod
    def withdraw(cls, query: str, language: str, image_id: uuid.UUID, grade: int) -> None:
        """Delete the judgement, unless it has another grade by now."""
        cls.objects.filter(pk=cls.id_of(query, language, image_id), grade=grade).delete()

    @classmethod
    def said_of(cls, query: str, language: str, image_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, int]:
        """Return the grades of these pictures, where they have one."""
        ids = [cls.id_of(query, language, image_id) for image_id in image_ids]
        return dict(cls.objects.filter(pk__in=ids).values_list("image", "grade"))

    @classmethod
    def all_in_order(cls) -> "models.QuerySet[Self]":
        return cls.objects.order_by("language", "query", "-grade", "image")
