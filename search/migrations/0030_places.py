"""Country, region and town of pictures whose coordinates are known, and the ways to find them by these.

Takes no time but for three indexes: some seconds for a million pictures. `manage.py find_places` fills the places in.
"""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

MOVED = """
-- Whoever changes coordinates, the place is that of before.
CREATE FUNCTION capture_moves() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    NEW.place_id := NULL;
    NEW.is_placed := false;
    RETURN NEW;
END $$;
CREATE TRIGGER capture_moves BEFORE UPDATE OF latitude, longitude ON search_capture FOR EACH ROW
    WHEN ((OLD.latitude, OLD.longitude) IS DISTINCT FROM (NEW.latitude, NEW.longitude))
    EXECUTE FUNCTION capture_moves();
"""
NOT_MOVED = """
DROP TRIGGER capture_moves ON search_capture;
DROP FUNCTION capture_moves();
"""

COUNTED = """
DROP TRIGGER capture_changes ON search_capture;
CREATE CONSTRAINT TRIGGER capture_changes AFTER UPDATE ON search_capture
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (
        (OLD.taken, OLD.taken_from, OLD.camera, OLD.lens, OLD.rating, {old})
        IS DISTINCT FROM (NEW.taken, NEW.taken_from, NEW.camera, NEW.lens, NEW.rating, {new})
    )
    EXECUTE FUNCTION number_capture();
"""
BEFORE = COUNTED.format(old="OLD.latitude IS NULL", new="NEW.latitude IS NULL")
SINCE = COUNTED.format(
    old="OLD.latitude, OLD.longitude, OLD.place_id", new="NEW.latitude, NEW.longitude, NEW.place_id"
)


class Migration(migrations.Migration):

    dependencies = [
        ('search', '0029_stated'),
    ]

    operations = [
        migrations.AddField(
            model_name='capture',
            name='is_placed',
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.CreateModel(
            name='Place',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('country', models.CharField(max_length=2)),
                ('region', models.CharField(blank=True, default='', max_length=200)),
                ('town', models.CharField(blank=True, default='', max_length=200)),
                ('korean_region', models.CharField(blank=True, default='', max_length=200)),
                ('korean_town', models.CharField(blank=True, default='', max_length=200)),
                ('region_names', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None)),
                ('town_names', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None)),
            ],
            options={
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(fields=('country', 'region', 'town'), name='place_stands_once')],
            },
        ),
        migrations.AddField(
            model_name='capture',
            name='place',
            field=models.ForeignKey(db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='captures', to='search.place'),
        ),
        migrations.AddIndex(
            model_name='capture',
            index=models.Index(condition=models.Q(('place__isnull', False)), fields=['place', 'image'], name='capture_place'),
        ),
        migrations.AddIndex(
            model_name='capture',
            index=models.Index(condition=models.Q(('latitude__isnull', False)), fields=['latitude', 'longitude', 'image'], name='capture_coordinates'),
        ),
        migrations.AddIndex(
            model_name='capture',
            index=models.Index(condition=models.Q(('is_placed', False), ('latitude__isnull', False)), fields=['image'], name='capture_unplaced'),
        ),
        migrations.RunSQL(MOVED, NOT_MOVED),
        migrations.RunSQL(SINCE, BEFORE),
    ]
