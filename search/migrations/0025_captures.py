"""When, where and with what pictures were taken: a table beside them, empty at first, which takes no time.

`manage.py read_metadata` fills it for pictures that are here already.
"""

import django.contrib.postgres.fields
import django.db.models.deletion
import search.models.capture_metadata
import search.models.text_fields
from django.db import migrations, models

# Deleted with its image by the database, as the words of a picture are.
OF_AN_IMAGE = """
ALTER TABLE search_capture ADD CONSTRAINT capture_of_an_image
FOREIGN KEY (image_id) REFERENCES search_image (id) ON DELETE CASCADE;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('search', '0024_cheaper_words'),
    ]

    operations = [
        migrations.CreateModel(
            name='Capture',
            fields=[
                ('image', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='capture', serialize=False, to='search.image')),
                ('reader', models.SmallIntegerField(db_default=0, default=0, editable=False)),
                ('edited', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=20), db_default=[], default=list, editable=False, size=None)),
                ('taken', search.models.capture_metadata.WallTimeField(blank=True, null=True, verbose_name='date taken')),
                ('taken_offset', models.SmallIntegerField(blank=True, help_text='In minutes; empty if unknown.', null=True, verbose_name='UTC offset')),
                ('taken_from', models.CharField(blank=True, choices=[('person', 'a curator'), ('table', 'a table'), ('sidecar', 'a sidecar file'), ('camera', 'the camera'), ('name', 'the file name'), ('file', 'the file date')], db_default='', default='', editable=False, max_length=8, verbose_name='source of the date')),
                ('camera', search.models.text_fields.LineField(blank=True, db_default='', default='', max_length=150, verbose_name='camera')),
                ('lens', search.models.text_fields.LineField(blank=True, db_default='', default='', max_length=150, verbose_name='lens')),
                ('focal_length', models.FloatField(editable=False, null=True, verbose_name='focal length')),
                ('aperture', models.FloatField(editable=False, null=True, verbose_name='aperture')),
                ('exposure', models.FloatField(editable=False, null=True, verbose_name='exposure')),
                ('iso', models.IntegerField(editable=False, null=True, verbose_name='ISO')),
                ('rating', models.SmallIntegerField(blank=True, null=True, verbose_name='rating')),
                ('latitude', models.FloatField(blank=True, null=True, verbose_name='latitude')),
                ('longitude', models.FloatField(blank=True, null=True, verbose_name='longitude')),
            ],
            options={
                'default_permissions': (),
                'indexes': [models.Index(condition=models.Q(('taken__isnull', False)), fields=['taken', 'image'], name='capture_taken'), models.Index(condition=models.Q(('camera', ''), _negated=True), fields=['camera', 'image'], name='capture_camera')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('taken__isnull', True), ('taken_from', '')), models.Q(('taken__isnull', False), models.Q(('taken_from', ''), _negated=True)), _connector='OR'), name='capture_time_has_a_source'), models.CheckConstraint(condition=models.Q(('rating__isnull', True), ('rating__range', (1, 5)), _connector='OR'), name='capture_rating_is_stars'), models.CheckConstraint(condition=models.Q(models.Q(('latitude__isnull', True), ('longitude__isnull', True)), models.Q(('latitude__isnull', False), ('latitude__range', (-90, 90)), ('longitude__isnull', False), ('longitude__range', (-180, 180))), _connector='OR'), name='capture_place_is_on_earth')],
            },
        ),
        migrations.RunSQL(OF_AN_IMAGE, migrations.RunSQL.noop),
    ]
