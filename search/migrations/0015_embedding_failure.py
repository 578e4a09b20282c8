"""Why a picture has no vector, where one was tried. A constant default: no row is written, whatever their number."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("search", "0014_ingest_runs"),
    ]

    operations = [
        migrations.AddField(
            model_name="image",
            name="embedding_failure",
            field=models.CharField(
                blank=True, db_default="", editable=False, max_length=500, verbose_name='reason for failure'
            ),
        ),
    ]
