"""Albums that whoever has the link may open. Rewrites the table of albums, of which there are few."""

import uuid

import django.contrib.postgres.functions
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('search', '0049_deleted_albums'),
    ]

    operations = [
        migrations.AddField(
            model_name='album',
            name='token',
            field=models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid.uuid4, editable=False, unique=True),
        ),
        migrations.AlterField(
            model_name='album',
            name='visibility',
            field=models.CharField(choices=[('own', 'only me and curators'), ('link', 'everyone with the link'), ('members', 'everyone with an account'), ('public', 'everyone')], db_default='own', default='own', max_length=7, verbose_name='visible to'),
        ),
        migrations.RemoveConstraint(
            model_name='album',
            name='album_visibility_is_known',
        ),
        migrations.AddConstraint(
            model_name='album',
            constraint=models.CheckConstraint(condition=models.Q(('visibility__in', ['own', 'link', 'members', 'public'])), name='album_visibility_is_known'),
        ),
        # Last, so that it is the first to be undone: an earlier version would show them to all members.
        migrations.RunSQL(
            migrations.RunSQL.noop, "UPDATE search_album SET visibility = 'own' WHERE visibility = 'link'"
        ),
    ]
