"""Where the windows of wide and tall pictures are, and an index of those that nobody has looked for yet.

The column takes no time; the index reads the table once, which takes some seconds for a million pictures. What is owed
`manage.py embed_pending --windows` makes up, and until then pictures are found as before.
"""

import django.contrib.postgres.fields
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models.functions import Greatest, Least
from django.db.models.lookups import GreaterThan


class Migration(migrations.Migration):

    dependencies = [
        ('search', '0019_model_switch'),
    ]

    operations = [
        migrations.AddField(
            model_name='image',
            name='windows',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.SmallIntegerField(), editable=False, null=True, size=None),
        ),
        migrations.AddIndex(
            model_name='image',
            index=models.Index(
                condition=models.Q(
                    GreaterThan(Greatest('width', 'height') * models.Value(5), Least('width', 'height') * models.Value(8)),
                    ('windows__isnull', True),
                ),
                fields=['id'],
                name='image_owed_windows',
            ),
        ),
        # Of the rows that are there none has any.
        AddConstraintNotValid(
            model_name='image',
            constraint=models.CheckConstraint(
                condition=models.Q(('windows__isnull', True), ('windows__len__in', [0, 4, 8, 12, 16, 20, 24, 28, 32]), _connector='OR'),
                name='image_windows_have_four_edges',
            ),
        ),
    ]
