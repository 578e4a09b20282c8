import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import search.models.text_fields


class Migration(migrations.Migration):
    dependencies = [("search", "0046_palettes")]

    operations = [
        migrations.CreateModel(
            name="ThingSet",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("model", models.CharField(max_length=300)),
                ("text_model", models.CharField(max_length=1000)),
                ("calibrated", models.DateTimeField(null=True)),
                ("arrived", models.BigIntegerField()),
                ("changed", models.BigIntegerField()),
                ("measured", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "default_permissions": (),
                "constraints": [models.UniqueConstraint(fields=("model", "text_model"), name="things_of_each_pair")],
            },
        ),
        migrations.CreateModel(
            name="Thing",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("language", models.CharField(max_length=10)),
                ("position", models.PositiveSmallIntegerField()),
                ("words", search.models.text_fields.LineField(max_length=80)),
                ("borne", search.models.text_fields.LineField(blank=True, db_default="", default="", max_length=80)),
                ("images", django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), size=None)),
                (
                    "of",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="things", to="search.thingset"
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("of", "language", "position"), name="thing_at_each_position")
                ],
            },
        ),
    ]
