"""Albums: tables that are empty at first, which takes no time."""

import django.db.models.deletion
import django.db.models.functions.datetime
import search.models.text_fields
from django.conf import settings
from django.db import migrations, models

from django.contrib.auth.management import create_permissions

# By the database, as all that hangs on an image alone.
CONSTRAINTS = """
ALTER TABLE search_albumimage ADD CONSTRAINT entry_of_an_image FOREIGN KEY (image_id) REFERENCES search_image (id)
ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE search_albumimage ADD CONSTRAINT entry_of_an_album FOREIGN KEY (album_id) REFERENCES search_album (id)
ON DELETE CASCADE;
ALTER TABLE search_album ADD CONSTRAINT cover_of_an_album FOREIGN KEY (cover_id) REFERENCES search_image (id)
ON DELETE SET NULL ON UPDATE CASCADE;
"""
# What a search within an album finds is other pictures then, and what was counted is counted anew.
TRIGGER = """
CREATE CONSTRAINT TRIGGER album_changes AFTER INSERT OR DELETE ON search_albumimage
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION number_change();
"""


def let_people_keep_albums(apps, schema_editor):
    """Those that roles are made of at first; of other groups nothing is changed."""
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    config = apps.get_app_config("search")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    all_of_it = Permission.objects.filter(content_type__app_label="search", content_type__model="album")
    may = {"Contributor": all_of_it.filter(codename="add_album"), "Curator": all_of_it, "Owner": all_of_it}
    for group in Group.objects.filter(name__in=may):
        group.permissions.add(*may[group.name])


class Migration(migrations.Migration):

    dependencies = [
        ('search', '0037_roles'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name='revision',
            name='kind',
            field=models.CharField(choices=[('tag', 'Tags added'), ('untag', 'Tags removed'), ('hide', 'Hidden'), ('show', 'Visible'), ('describe', 'Details changed'), ('trash', 'Moved to the trash'), ('restore', 'Restored from the trash'), ('album', 'Added to an album'), ('unalbum', 'Removed from an album'), ('merge', 'Duplicates merged'), ('undo', 'Undone')], editable=False, max_length=10, verbose_name='change'),
        ),
        migrations.CreateModel(
            name='Album',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('title', search.models.text_fields.LineField(max_length=200, verbose_name='title')),
                ('description', search.models.text_fields.ProseField(blank=True, max_length=5000, verbose_name='description')),
                ('visibility', models.CharField(choices=[('own', 'only me and curators'), ('members', 'everyone with an account'), ('public', 'everyone')], db_default='own', default='own', max_length=7, verbose_name='visible to')),
                ('created', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='created')),
                ('updated', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='updated')),
                ('cover', models.ForeignKey(db_constraint=False, editable=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='search.image')),
                ('owner', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='albums', to=settings.AUTH_USER_MODEL, verbose_name='owner')),
            ],
            options={
                'verbose_name': 'album',
                'verbose_name_plural': 'albums',
                'ordering': ['-updated', '-id'],
            },
        ),
        migrations.CreateModel(
            name='AlbumImage',
            fields=[
                ('pk', models.CompositePrimaryKey('album', 'image', blank=True, editable=False, primary_key=True, serialize=False)),
                ('position', models.BigIntegerField()),
                ('album', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='entries', to='search.album')),
                ('image', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='album_entries', to='search.image')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.AddConstraint(
            model_name='album',
            constraint=models.CheckConstraint(condition=models.Q(('title', ''), _negated=True), name='album_has_a_title'),
        ),
        migrations.AddConstraint(
            model_name='album',
            constraint=models.CheckConstraint(condition=models.Q(('visibility__in', ['own', 'members', 'public'])), name='album_visibility_is_known'),
        ),
        migrations.AddIndex(
            model_name='albumimage',
            index=models.Index(fields=['album', 'position', 'image'], name='album_order'),
        ),
        migrations.RunSQL(CONSTRAINTS, migrations.RunSQL.noop),
        migrations.RunSQL(TRIGGER, "DROP TRIGGER album_changes ON search_albumimage"),
        migrations.RunPython(let_people_keep_albums, migrations.RunPython.noop),
    ]
