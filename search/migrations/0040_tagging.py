"""The vocabulary and what it suggests: tables that are empty at first, which takes no time."""

import django.db.models.functions.datetime
import django.db.models.functions.text
import pgvector.django.halfvec
import search.models.text_fields
from django.conf import settings
from django.db import migrations, models


# By the database, as all that hangs on an image alone.
KEYS = """
ALTER TABLE search_tagsuggestion ADD CONSTRAINT tag_suggestion_of_an_image FOREIGN KEY (image_id)
    REFERENCES search_image (id) ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE search_tagsuggestion ADD CONSTRAINT tag_suggestion_of_a_tag FOREIGN KEY (tag_id)
    REFERENCES search_vocabularytag (id) ON DELETE CASCADE;
"""

# What a tag is called, and which are within it, decides what filters by it find.
CHANGES = """
CREATE CONSTRAINT TRIGGER tag_comes_or_goes AFTER INSERT OR DELETE ON search_vocabularytag
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION number_change();
CREATE CONSTRAINT TRIGGER tag_changes AFTER UPDATE ON search_vocabularytag
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((OLD.name, OLD.english, OLD.korean, OLD.aliases, OLD.parent_id)
        IS DISTINCT FROM (NEW.name, NEW.english, NEW.korean, NEW.aliases, NEW.parent_id))
    EXECUTE FUNCTION number_change();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('search', '0039_private'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name='revision',
            name='kind',
            field=models.CharField(choices=[('tag', 'Tags added'), ('untag', 'Tags removed'), ('hide', 'Hidden'), ('show', 'Visible'), ('describe', 'Details changed'), ('trash', 'Moved to the trash'), ('restore', 'Restored from the trash'), ('album', 'Added to an album'), ('unalbum', 'Removed from an album'), ('visibility', 'Visibility changed'), ('merge', 'Duplicates merged'), ('retag', 'Tags renamed'), ('undo', 'Undone')], editable=False, max_length=10, verbose_name='change'),
        ),
        migrations.CreateModel(
            name='VocabularyTag',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', search.models.text_fields.LineField(help_text='Tags that pictures can have.', max_length=60, verbose_name='tag')),
                ('english', search.models.text_fields.LineField(blank=True, max_length=60, verbose_name='English name')),
                ('korean', search.models.text_fields.LineField(blank=True, max_length=60, verbose_name='Korean name')),
                ('phrase', search.models.text_fields.LineField(blank=True, help_text='What such a picture shows, for example “a photo of a dog”. A tag without a phrase is never suggested.', max_length=200, verbose_name='phrase for the model')),
                ('aliases', search.models.text_fields.TagsField(base_field=search.models.text_fields.LineField(max_length=60), blank=True, default=list, help_text='Other names of this tag, separated by commas.', size=50, verbose_name='aliases')),
                ('parent', models.ForeignKey(blank=True, help_text='A broader tag. Filtering by it also finds the pictures with this tag.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='children', to='search.vocabularytag', verbose_name='parent tag')),
            ],
            options={
                'verbose_name': 'tag',
                'verbose_name_plural': 'tags',
                'ordering': ['name'],
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='TagVector',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('model', models.CharField(max_length=300)),
                ('text_model', models.CharField(max_length=1000)),
                ('phrase', search.models.text_fields.LineField(max_length=200)),
                ('embedding', pgvector.django.halfvec.HalfVectorField()),
                ('compared', models.BigIntegerField(db_default=0, default=0)),
                ('calibrated', models.DateTimeField(null=True)),
                ('strong', models.FloatField(null=True)),
                ('related', models.FloatField(null=True)),
                ('spread', models.FloatField(null=True)),
                ('threshold', models.FloatField(null=True)),
                ('reached', models.FloatField(null=True)),
                ('tag', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='vectors', to='search.vocabularytag')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='TagSuggestion',
            fields=[
                ('pk', models.CompositePrimaryKey('tag', 'image', blank=True, editable=False, primary_key=True, serialize=False)),
                ('state', models.CharField(choices=[('pending', 'Pending'), ('accepted', 'Accepted'), ('rejected', 'Rejected')], db_default='pending', default='pending', max_length=8)),
                ('similarity', models.FloatField(null=True)),
                ('created', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('decided', models.DateTimeField(null=True)),
                ('was_rejected', models.BooleanField(db_default=False, default=False)),
                ('by', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('image', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='tag_suggestions', to='search.image')),
                ('tag', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='suggestions', to='search.vocabularytag')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.AddConstraint(
            model_name='vocabularytag',
            constraint=models.UniqueConstraint(django.db.models.functions.text.Lower('name'), name='vocabulary_tag_once'),
        ),
        migrations.AddConstraint(
            model_name='vocabularytag',
            constraint=models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='vocabulary_tag_has_a_name'),
        ),
        migrations.AddConstraint(
            model_name='vocabularytag',
            constraint=models.CheckConstraint(condition=models.Q(('parent', models.F('id')), _negated=True), name='vocabulary_tag_not_in_itself'),
        ),
        migrations.AddConstraint(
            model_name='tagvector',
            constraint=models.UniqueConstraint(fields=('tag', 'model', 'text_model'), name='tag_vector_of_each_pair'),
        ),
        migrations.AddIndex(
            model_name='tagsuggestion',
            index=models.Index(condition=models.Q(('state', 'pending')), fields=['tag', '-similarity', 'image'], name='tag_suggestion_pending'),
        ),
        migrations.AddIndex(
            model_name='tagsuggestion',
            index=models.Index(condition=models.Q(('state', 'pending'), _negated=True), fields=['tag', '-decided'], name='tag_suggestion_decided'),
        ),
        migrations.AddIndex(
            model_name='tagsuggestion',
            index=models.Index(condition=models.Q(('by__isnull', False)), fields=['by'], name='tag_suggestion_by'),
        ),
        migrations.AddConstraint(
            model_name='tagsuggestion',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['pending', 'accepted', 'rejected'])), name='tag_suggestion_state_known'),
        ),
        migrations.RunSQL(KEYS, migrations.RunSQL.noop),
        migrations.RunSQL(CHANGES, migrations.RunSQL.noop),
    ]
