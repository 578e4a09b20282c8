"""The map: tables that are empty at first."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


# By the database, as all that hangs on an image alone.
OF_AN_IMAGE = """
ALTER TABLE search_mapposition ADD CONSTRAINT map_position_of_an_image FOREIGN KEY (image_id)
REFERENCES search_image (id) ON DELETE CASCADE ON UPDATE CASCADE;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('search', '0044_measurements'),
    ]

    operations = [
        migrations.CreateModel(
            name='MapLayout',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('model', models.CharField(max_length=300)),
                ('is_current', models.BooleanField(db_default=False, default=False)),
                ('placed_up_to', models.BigIntegerField(db_default=0, default=0)),
                ('revision', models.IntegerField(db_default=0, default=0)),
                ('laid_out', models.IntegerField(db_default=0, default=0)),
                ('created', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(models.F('is_current'), condition=models.Q(('is_current', True)), name='one_map_is_current')],
            },
        ),
        migrations.CreateModel(
            name='MapGroup',
            fields=[
                ('pk', models.CompositePrimaryKey('layout_id', 'number', blank=True, editable=False, primary_key=True, serialize=False)),
                ('number', models.PositiveSmallIntegerField()),
                ('x', models.FloatField()),
                ('y', models.FloatField()),
                ('name', models.CharField(blank=True, default='', max_length=200)),
                ('korean_name', models.CharField(blank=True, default='', max_length=200)),
                ('samples', django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), default=list, size=None)),
                ('layout', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='groups', to='search.maplayout')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='MapPosition',
            fields=[
                ('pk', models.CompositePrimaryKey('layout_id', 'image_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('x', models.FloatField()),
                ('y', models.FloatField()),
                ('number', models.PositiveSmallIntegerField()),
                ('image', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='map_positions', to='search.image')),
                ('layout', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='positions', to='search.maplayout')),
            ],
            options={
                'default_permissions': (),
                'indexes': [models.Index(fields=['layout', 'number'], name='map_position_by_group')],
            },
        ),
        migrations.RunSQL(OF_AN_IMAGE, migrations.RunSQL.noop),
    ]
