"""What curators say of how well pictures fit queries."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import search.models.text_fields


class Migration(migrations.Migration):

    dependencies = [
        ("search", "0020_windows"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Judgement",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("query", search.models.text_fields.LineField(max_length=1000)),
                ("language", search.models.text_fields.LineField(blank=True, max_length=35)),
                ("grade", models.PositiveSmallIntegerField(choices=[(0, 'Does not fit'), (1, 'Fits partly'), (2, "Fits")])),
                ("judged", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "image",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="judgements", to="search.image"
                    ),
                ),
                (
                    "judge",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="judgements",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("grade__lte", 2)), name="judgement_grade_is_known"),
                    models.CheckConstraint(
                        condition=models.Q(("query", ""), _negated=True), name="judgement_names_a_query"
                    ),
                ],
            },
        ),
    ]
