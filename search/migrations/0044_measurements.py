"""What is measured of the collection, and when; and how many searches there are a day. All tables are empty at first."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

# By the database, as all that hangs on an image alone.
OF_AN_IMAGE = """
ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY (image_id) REFERENCES search_image (id)
ON DELETE CASCADE ON UPDATE CASCADE;
"""
KEYS = (("search_lostobject", "lost_object_of_an_image"), ("search_isolation", "isolation_of_an_image"))


class Migration(migrations.Migration):
    dependencies = [
        ("search", "0043_ledger"),
    ]

    operations = [
        migrations.CreateModel(
            name='Isolation',
            fields=[
                ('image', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='isolation', serialize=False, to='search.image')),
                ('set_id', models.IntegerField()),
                ('similarity', models.FloatField()),
                ('is_outlier', models.BooleanField(db_default=False, default=False)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='LostObject',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('original', 'Original'), ('thumbnail', 'Thumbnail')], max_length=9)),
                ('remark', models.TextField(blank=True, default='')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Measurement',
            fields=[
                ('name', models.CharField(max_length=20, primary_key=True, serialize=False)),
                ('found', models.JSONField(null=True)),
                ('measured', models.DateTimeField(null=True)),
                ('seconds', models.FloatField(default=0)),
                ('tried', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('failed', models.TextField(blank=True, db_default='', default='')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='SearchDay',
            fields=[
                ('day', models.DateField(primary_key=True, serialize=False)),
                ('searches', models.PositiveBigIntegerField(default=0)),
                ('nothing_strong', models.PositiveBigIntegerField(default=0)),
                ('unmeasured', models.PositiveBigIntegerField(default=0)),
                ('seconds', models.FloatField(default=0)),
                ('slow', models.PositiveBigIntegerField(default=0)),
                ('slowest', models.FloatField(default=0)),
                ('slowest_by', models.CharField(blank=True, default='', max_length=60)),
            ],
            options={
                'ordering': ['-day'],
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='UnansweredWords',
            fields=[
                ('words', models.CharField(max_length=200, primary_key=True, serialize=False)),
                ('count', models.PositiveIntegerField(default=0)),
                ('last', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.AddIndex(
            model_name='isolation',
            index=models.Index(condition=models.Q(('is_outlier', True)), fields=['image'], name='isolation_outliers'),
        ),
        migrations.AddIndex(
            model_name='isolation',
            index=models.Index(fields=['set_id', 'similarity'], name='isolation_farthest'),
        ),
        migrations.AddField(
            model_name='lostobject',
            name='image',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='lost_objects', to='search.image'),
        ),
        migrations.AddIndex(
            model_name='unansweredwords',
            index=models.Index(fields=['last'], name='unanswered_age'),
        ),
        migrations.AddConstraint(
            model_name='lostobject',
            constraint=models.UniqueConstraint(fields=('image', 'kind'), name='lost_object_once'),
        ),
        *(
            migrations.RunSQL(OF_AN_IMAGE.format(table=table, name=name), migrations.RunSQL.noop)
            for table, name in KEYS
        ),
    ]
