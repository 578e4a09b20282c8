"""Vectors of any number of dimensions, as their model has them. Those that are kept so far have 512.

No table is large here: there is one calibration for a model, and query pictures are kept for 30 days.
"""

import pgvector.django
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("search", "0017_fill_the_vectors"),
    ]

    operations = [
        migrations.AddField(
            model_name="calibration",
            name="dimensions",
            field=models.PositiveSmallIntegerField(
                default=512, help_text='Dimensions of each of these vectors.', verbose_name="dimensions"
            ),
            preserve_default=False,
        ),
        migrations.AddConstraint(
            model_name="calibration",
            constraint=models.CheckConstraint(
                condition=models.Q(("dimensions__range", (1, 4000))), name="calibration_dimensions_in_range"
            ),
        ),
        migrations.AlterField(
            model_name="querypicture",
            name="embedding",
            field=pgvector.django.HalfVectorField(verbose_name="embedding"),
        ),
    ]
