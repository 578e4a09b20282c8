"""Perceptual hashes, and pairs of pictures that are the same: tables that are empty at first.

The index of pixels takes a second for a million pictures."""

import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


# By the database, as all that hangs on an image alone.
OF_AN_IMAGE = """
ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY ({column}) REFERENCES search_image (id)
ON DELETE CASCADE ON UPDATE CASCADE;
"""
KEYS = (
    ("search_fingerprint", "image_id", "fingerprint_of_an_image"),
    ("search_duplicatepair", "first_id", "duplicate_first_of_an_image"),
    ("search_duplicatepair", "second_id", "duplicate_second_of_an_image"),
)


class Migration(migrations.Migration):

    dependencies = [
        ('search', '0035_working_sets'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name='revision',
            name='kind',
            field=models.CharField(choices=[('tag', 'Tags added'), ('untag', 'Tags removed'), ('hide', 'Hidden'), ('show', 'Visible'), ('describe', 'Details changed'), ('trash', 'Moved to the trash'), ('restore', 'Restored from the trash'), ('merge', 'Duplicates merged'), ('undo', 'Undone')], editable=False, max_length=10, verbose_name='change'),
        ),
        migrations.CreateModel(
            name='Fingerprint',
            fields=[
                ('image', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='fingerprint', serialize=False, to='search.image')),
                ('perceptual', models.BigIntegerField(editable=False, null=True)),
                ('is_compared', models.BooleanField(db_default=False, default=False, editable=False)),
            ],
            options={
                'default_permissions': (),
                'indexes': [models.Index(condition=models.Q(('is_compared', False)), fields=['image'], name='fingerprint_not_compared'), models.Index(condition=models.Q(('perceptual__isnull', False)), fields=['perceptual'], name='fingerprint_perceptual')],
            },
        ),
        migrations.CreateModel(
            name='DuplicatePair',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('same', 'Same picture'), ('similar', 'Similar shots')], editable=False, max_length=7)),
                ('state', models.CharField(choices=[('pending', 'Pending'), ('settled', 'Settled'), ('different', 'Not the same')], default='pending', editable=False, max_length=9)),
                ('is_exact', models.BooleanField(default=False, editable=False)),
                ('bits', models.SmallIntegerField(editable=False, null=True)),
                ('points', models.SmallIntegerField(editable=False, null=True)),
                ('similarity', models.FloatField(editable=False, null=True)),
                ('created', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('decided', models.DateTimeField(editable=False, null=True)),
                ('by', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('first', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='pairs_as_first', to='search.image')),
                ('second', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='pairs_as_second', to='search.image')),
            ],
            options={
                'default_permissions': (),
                'indexes': [models.Index(fields=['first'], name='duplicate_first'), models.Index(fields=['second'], name='duplicate_second'), models.Index(condition=models.Q(('state', 'pending')), fields=['kind', 'id'], name='duplicate_pending')],
                'constraints': [models.UniqueConstraint(django.db.models.functions.comparison.Least('first', 'second'), django.db.models.functions.comparison.Greatest('first', 'second'), name='duplicate_pair_once'), models.CheckConstraint(condition=models.Q(('first', models.F('second')), _negated=True), name='duplicate_pair_of_two')],
            },
        ),
        migrations.AddIndex(
            model_name='capture',
            index=models.Index(condition=models.Q(('pixels__isnull', False)), fields=['pixels'], name='capture_pixels'),
        ),
        *(
            migrations.RunSQL(OF_AN_IMAGE.format(table=table, column=column, name=name), migrations.RunSQL.noop)
            for table, column, name in KEYS
        ),
    ]
