"""The switch of models: what `manage.py switch_model` has chosen and is doing. One row, or none if it was never
used."""

from typing import ClassVar, Self

from django.db import models, transaction
from pgvector.django import HalfVectorField

from search.models.query_pictures import QueryPicture

ONLY = 1


class ModelSwitch(models.Model):
    """Each pair of models is named as by an operator, and its image model also as in rows.

    The active pair applies as long as the environment names the models that it named when the pair was chosen.
    `next_*` is the pair in preparation, `kept_*` the one that `--back` returns to. Transactions that write vectors
    hold a shared lock on the row, and those that change it an exclusive one: no vector of a formerly active pair is
    written as if the pair were still active (`search.ingestion.vectors_of_other_models`).
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
    # When all pictures had a vector of the next model, with index and thresholds; None until then.
    prepared = models.DateTimeField(null=True)
    switched = models.DateTimeField(null=True)
    # The model that rows may name instead of the active one, because their own vectors are not all copied yet.
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
        """Return the row, if there is one, locked exclusively until this transaction ends."""
        assert transaction.get_connection().in_atomic_block
        return cls.objects.select_for_update().first()


class QueryVector(models.Model):
    """The vector of a query picture by another model than the one its own row names."""

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
