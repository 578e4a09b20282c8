"""What becomes of each run of ingestion, for who watches it: a small table, made in no time."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("search", "0013_limits_and_sign_ups"),
    ]

    operations = [
        migrations.CreateModel(
            name="IngestRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("started", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("ended", models.DateTimeField(null=True)),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        choices=[("", 'in progress'), ("done", "Done"), ("stopped", "Stopped"), ("failed", "Failed")],
                        default="",
                        max_length=10,
                    ),
                ),
                ("added", models.PositiveBigIntegerField(default=0)),
                ("known", models.PositiveBigIntegerField(default=0)),
                ("deleted", models.PositiveBigIntegerField(default=0)),
                ("failed", models.PositiveBigIntegerField(default=0)),
                ("backend", models.IntegerField()),
                ("backend_started", models.DateTimeField(null=True)),
            ],
            options={"default_permissions": ()},
        ),
    ]
