"""Private pictures: a table that is empty at first, which takes no time."""

import django.db.models.deletion
from django.db import migrations, models

OF_AN_IMAGE = """
ALTER TABLE search_private ADD CONSTRAINT private_of_an_image FOREIGN KEY (image_id) REFERENCES search_image (id)
ON DELETE CASCADE ON UPDATE CASCADE;
"""
# Whoever shows a picture, and however, doesn't show one that is in the trash or private.
HIDDEN = """
CREATE OR REPLACE FUNCTION trashed_is_hidden() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    NEW.hidden := NEW.hidden
        OR EXISTS (SELECT FROM search_trashed WHERE image_id = NEW.id OR image_id = OLD.id)
        OR EXISTS (SELECT FROM search_private WHERE image_id = NEW.id OR image_id = OLD.id);
    RETURN NEW;
END
$$;
CREATE FUNCTION private_is_hidden() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE search_image SET hidden = true WHERE id = NEW.image_id AND NOT hidden;
    RETURN NULL;
END
$$;
CREATE TRIGGER private_image_is_hidden AFTER INSERT ON search_private
FOR EACH ROW EXECUTE FUNCTION private_is_hidden();
"""
BEFORE = """
DROP TRIGGER private_image_is_hidden ON search_private;
DROP FUNCTION private_is_hidden();
CREATE OR REPLACE FUNCTION trashed_is_hidden() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    NEW.hidden := NEW.hidden OR EXISTS (SELECT FROM search_trashed WHERE image_id = NEW.id OR image_id = OLD.id);
    RETURN NEW;
END
$$;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('search', '0038_albums'),
    ]

    operations = [
        migrations.AlterField(
            model_name='revision',
            name='kind',
            field=models.CharField(choices=[('tag', 'Tags added'), ('untag', 'Tags removed'), ('hide', 'Hidden'), ('show', 'Visible'), ('describe', 'Details changed'), ('trash', 'Moved to the trash'), ('restore', 'Restored from the trash'), ('album', 'Added to an album'), ('unalbum', 'Removed from an album'), ('visibility', 'Visibility changed'), ('merge', 'Duplicates merged'), ('undo', 'Undone')], editable=False, max_length=10, verbose_name='change'),
        ),
        migrations.CreateModel(
            name='Private',
            fields=[
                ('image', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='private', serialize=False, to='search.image')),
                ('visibility', models.CharField(choices=[('own', 'only me and curators'), ('members', 'everyone with an account'), ('public', 'everyone')], editable=False, max_length=7, verbose_name='visible to')),
                ('hidden', models.BooleanField(editable=False)),
            ],
            options={
                'default_permissions': (),
                'constraints': [models.CheckConstraint(condition=models.Q(('visibility__in', ['own', 'members'])), name='private_is_for_some')],
            },
        ),
        migrations.RunSQL(OF_AN_IMAGE, migrations.RunSQL.noop),
        migrations.RunSQL(HIDDEN, BEFORE),
    ]
