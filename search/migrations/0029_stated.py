"""Which fields a table or an uploader has stated, so that reading a file again leaves them. Takes no time."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('search', '0028_words_inside_words'),
    ]

    operations = [
        migrations.AddField(
            model_name='capture',
            name='stated',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=20), db_default=[], default=list, editable=False, size=None),
        ),
    ]
