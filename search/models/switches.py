"""Which models `manage.py switch_model` has chosen, and what it is at: one row, none where it was never used."""

from typing import ClassVar, Self

from django.db import models, transaction
from pgvector.django import HalfVectorField

from search.models.queries import QueryPicture

ONLY = 1


class ModelSwitch(models.Model):
    """Each pair of models is named as an operator writes it, and its model of pictures as rows name it, too.

    The active one counts as long as the environment names the models that it named when that was chosen. `next_*` is
    the pair that is being prepared, and `kept_*` the one that `--back` returns to. Whoever writes vectors holds a
    shared lock on the row to the end of its transaction, and whoever changes it an exclusive one: no vector of a pair
    that was active before is written as if it still were (`search.ingestion.chosen`).
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY)
    image = models.CharField(max_length=1000)
    text = models.CharField(max_length=1000)
    model = models.CharField(max_length=300)
    environment_image = models.CharField(max_length=1000)
    environment_text = models.CharField(max_length=1000)
    next_image = models.CharField(max_length=1000, blank=True, db_default="")
    next_text = models.CharField(max_length=1000, blank=True, db_default="")
    next_model = models.CharField(max_length=300, blank=True, db_default="")
    kept_image = models.CharField(max_length=1000, blank=True, db_default="")
    kept_text = models.CharField(max_length=1000, blank=True, db_default="")
    kept_model = models.CharField(max_length=300, blank=True, db_default="")
    # When all had a vector of the next model, with an index and thresholds; None until then.
    prepared = models.DateTimeField(null=True)
    switched = models.DateTimeField(null=True)
    # The model that rows of images may name beside the active one: their own vectors are not all copied yet.
    uncopied = models.CharField(max_length=300, blank=True, db_default="")

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(id=ONLY), name="model_switch_is_one"),
            models.CheckConstraint(
                condition=~models.Q(image="") & ~models.Q(text="") & ~models.Q(model=""),
                name="model_switch_names_the_active_models",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.image}, {self.text}"

    @classmethod
    def locked(cls) -> Self | None:
        """Return the row, if there is one, which nobody else reads or changes in order to write until this
        transaction ends."""
        assert transaction.get_connection().in_atomic_block
        return cls.objects.select_for_update().first()


class QueryVector(models.Model):
    """The vector of a picture that somebody searches by, made by another model than the one its own row names."""

    picture = models.ForeignKey(QueryPicture, on_delete=models.CASCADE, related_name="vectors")
    model = models.CharField(max_length=300)
    embedding = HalfVectorField()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["picture", "model"], name="query_vector_of_each_model"),
            models.CheckConstraint(condition=~models.Q(model=""), name="query_vector_names_its_model"),
        ]

    def __str__(self) -> str:
        return f"{self.picture_id}, {self.model}"
