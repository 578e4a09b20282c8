"""Albums that can be brought back: a column without values, which takes no time."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('search', '0048_short_words'),
    ]

    operations = [
        migrations.AddField(
            model_name='album',
            name='deleted',
            field=models.DateTimeField(editable=False, null=True, verbose_name='deleted'),
        ),
        # Back in an earlier version nothing would tell that they were deleted.
        migrations.RunSQL(migrations.RunSQL.noop, "DELETE FROM search_album WHERE deleted IS NOT NULL"),
        migrations.AlterField(
            model_name='revision',
            name='kind',
            field=models.CharField(choices=[('tag', 'Tags added'), ('untag', 'Tags removed'), ('hide', 'Hidden'), ('show', 'Visible'), ('describe', 'Details changed'), ('trash', 'Moved to the trash'), ('restore', 'Restored from the trash'), ('album', 'Added to an album'), ('unalbum', 'Removed from an album'), ('del_album', 'Album deleted'), ('visibility', 'Visibility changed'), ('merge', 'Duplicates merged'), ('retag', 'Tags renamed'), ('undo', 'Undone')], editable=False, max_length=10, verbose_name='change'),
        ),
    ]
