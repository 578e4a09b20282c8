"""What was deleted is remembered, so that ingestion doesn't bring it back.

What was deleted before this version too, as far as is known: pictures that were met somewhere and are no more there.
Five seconds for a million origins.
"""

import django.db.models.functions.datetime
from django.db import migrations, models

_DELETED_BEFORE = """
    INSERT INTO search_tombstone (image_id)
    SELECT DISTINCT image_id FROM search_origin AS origin
    WHERE NOT EXISTS (SELECT FROM search_image AS image WHERE image.id = origin.image_id)
"""


class Migration(migrations.Migration):
    dependencies = [
        ("search", "0011_arrivals"),
    ]

    operations = [
        migrations.CreateModel(
            name="Tombstone",
            fields=[
                ("image_id", models.UUIDField(primary_key=True, serialize=False)),
                ("created", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.RunSQL(_DELETED_BEFORE, migrations.RunSQL.noop),
    ]
