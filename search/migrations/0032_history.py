"""Who changed what of which picture, and the trash: tables that are empty at first, which takes no time."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

# By the database, as all that hangs on an image alone.
OF_AN_IMAGE = """
ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY (image_id) REFERENCES search_image (id)
ON DELETE CASCADE ON UPDATE CASCADE;
"""
OF_A_REVISION = """
ALTER TABLE search_edit ADD CONSTRAINT edit_of_a_revision FOREIGN KEY (revision_id) REFERENCES search_revision (id)
ON DELETE CASCADE;
"""

# Whoever shows a picture, and however, doesn't show one that is in the trash.
HIDDEN = """
CREATE FUNCTION trashed_is_hidden() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    NEW.hidden := NEW.hidden OR EXISTS (SELECT FROM search_trashed WHERE image_id = NEW.id OR image_id = OLD.id);
    RETURN NEW;
END
$$;
CREATE TRIGGER image_in_the_trash_is_hidden BEFORE UPDATE OF hidden ON search_image
FOR EACH ROW WHEN (OLD.hidden AND NOT NEW.hidden) EXECUTE FUNCTION trashed_is_hidden();
"""
NOT_HIDDEN = "DROP TRIGGER image_in_the_trash_is_hidden ON search_image; DROP FUNCTION trashed_is_hidden();"


class Migration(migrations.Migration):

    dependencies = [
        ('search', '0030_places'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Revision',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('tag', 'Tags added'), ('untag', 'Tags removed'), ('hide', 'Hidden'), ('show', 'Visible'), ('describe', 'Details changed'), ('trash', 'Moved to the trash'), ('restore', 'Restored from the trash'), ('undo', 'Undone')], editable=False, max_length=10, verbose_name='change')),
                ('created', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='date')),
                ('door', models.CharField(blank=True, choices=[('', 'elsewhere'), ('page', 'the search page'), ('admin', 'the administration'), ('api', 'the API'), ('command', 'a command')], default='', editable=False, max_length=10, verbose_name='where')),
                ('search', models.TextField(blank=True, default='', editable=False, verbose_name='search')),
                ('given', models.JSONField(default=dict, editable=False)),
                ('fields', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=20), default=list, editable=False, size=None)),
                ('count', models.PositiveIntegerField(default=0, editable=False, verbose_name='pictures')),
                ('undoes_id', models.BigIntegerField(editable=False, null=True)),
                ('by', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='revisions', to=settings.AUTH_USER_MODEL, verbose_name='user')),
                ('undone_by', models.ForeignKey(db_constraint=False, db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='search.revision')),
            ],
            options={
                'verbose_name': 'change to pictures',
                'verbose_name_plural': 'changes to pictures',
                'ordering': ['-pk'],
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Edit',
            fields=[
                ('pk', models.CompositePrimaryKey('revision', 'image', blank=True, editable=False, primary_key=True, serialize=False)),
                ('before', models.JSONField()),
                ('after', models.JSONField()),
                ('image', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='edits', to='search.image')),
                ('revision', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='edits', to='search.revision')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Trashed',
            fields=[
                ('image', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='trashed', serialize=False, to='search.image')),
                ('created', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='date')),
                ('was_hidden', models.BooleanField(editable=False)),
                ('by', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='user')),
            ],
            options={
                'verbose_name': 'picture in the trash',
                'verbose_name_plural': 'pictures in the trash',
                'ordering': ['-created', 'image'],
                'default_permissions': (),
            },
        ),
        migrations.AddIndex(
            model_name='revision',
            index=models.Index(fields=['created'], name='revision_age'),
        ),
        migrations.AddIndex(
            model_name='edit',
            index=models.Index(fields=['image', 'revision'], name='edit_of_image'),
        ),
        migrations.AddIndex(
            model_name='trashed',
            index=models.Index(fields=['created', 'image'], name='trashed_age'),
        ),
        migrations.RunSQL(OF_AN_IMAGE.format(table="search_edit", name="edit_of_an_image"), migrations.RunSQL.noop),
        migrations.RunSQL(
            OF_AN_IMAGE.format(table="search_trashed", name="trashed_of_an_image"), migrations.RunSQL.noop
        ),
        migrations.RunSQL(OF_A_REVISION, migrations.RunSQL.noop),
        migrations.RunSQL(HIDDEN, NOT_HIDDEN),
    ]
