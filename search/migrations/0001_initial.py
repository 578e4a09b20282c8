import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.lookups
import pgvector.django.halfvec
import pgvector.django.indexes
import search.models.image
from pgvector.django import VectorExtension
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        VectorExtension(),
        migrations.CreateModel(
            name='OwedDeletion',
            fields=[
                ('image_id', models.UUIDField(primary_key=True, serialize=False)),
                ('created', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name='Image',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False, verbose_name='id')),
                ('embedding', pgvector.django.halfvec.HalfVectorField(dimensions=512, editable=False, verbose_name='embedding')),
                ('embedding_model', models.CharField(editable=False, max_length=300, verbose_name='model')),
                ('title', models.CharField(blank=True, max_length=300, verbose_name='title')),
                ('description', models.TextField(blank=True, max_length=5000, verbose_name='description')),
                ('source_link', search.models.image.WebLinkField(blank=True, max_length=2000, validators=[django.core.validators.URLValidator(schemes=['http', 'https'])], verbose_name='source link')),
                ('author', models.CharField(blank=True, max_length=300, verbose_name='author')),
                ('licence', models.CharField(blank=True, max_length=300, verbose_name='licence')),
                ('tags', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=60), blank=True, default=list, help_text='Separated by commas.', size=50, verbose_name='tags')),
                ('hidden', models.BooleanField(default=False, help_text='Hidden pictures can only be found and seen by curators.', verbose_name='hidden')),
                ('format', models.CharField(choices=[('JPEG', 'JPEG'), ('PNG', 'PNG'), ('WEBP', 'WebP'), ('GIF', 'GIF'), ('AVIF', 'AVIF'), ('HEIF', 'HEIC')], editable=False, max_length=4, verbose_name='format')),
                ('width', models.PositiveIntegerField(editable=False, verbose_name='width')),
                ('height', models.PositiveIntegerField(editable=False, verbose_name='height')),
                ('byte_size', models.PositiveBigIntegerField(editable=False, verbose_name='size')),
                ('dominant_colour', models.CharField(editable=False, max_length=7, verbose_name='dominant colour')),
                ('placeholder', models.TextField(editable=False, verbose_name='placeholder')),
                ('created', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='created')),
                ('updated', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now(), verbose_name='updated')),
                ('uploader', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='images', to=settings.AUTH_USER_MODEL, verbose_name='uploaded by')),
            ],
            options={
                'verbose_name': 'image',
                'verbose_name_plural': 'images',
                'ordering': ['-created', 'id'],
            },
        ),
        migrations.CreateModel(
            name='QueryPicture',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False, verbose_name='token')),
                ('embedding', pgvector.django.halfvec.HalfVectorField(dimensions=512, verbose_name='embedding')),
                ('embedding_model', models.CharField(max_length=300, verbose_name='model')),
                ('rendition', models.BinaryField(help_text='WebP, at most 448 pixels.', verbose_name='rendition')),
                ('created', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), db_index=True, verbose_name='created')),
            ],
            options={
                'verbose_name': 'query picture',
                'verbose_name_plural': 'query pictures',
                'constraints': [models.CheckConstraint(condition=models.Q(('embedding_model', ''), _negated=True), name='query_picture_names_its_model')],
            },
        ),
        migrations.CreateModel(
            name='Report',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(choices=[('inappropriate', 'Inappropriate content'), ('broken', 'Broken or empty'), ('violent', 'Violent'), ('explicit', 'Explicit'), ('horror', 'Horror'), ('advertisement', 'Advertisement or spam'), ('other', 'Other')], max_length=20, verbose_name='reason')),
                ('details', models.TextField(blank=True, max_length=1000, verbose_name='details')),
                ('created', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='created')),
                ('resolved', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='resolved on')),
                ('image', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='reports', to='search.image', verbose_name='image')),
                ('reporter', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='reports', to=settings.AUTH_USER_MODEL, verbose_name='reported by')),
                ('resolver', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='resolved_reports', to=settings.AUTH_USER_MODEL, verbose_name='resolved by')),
            ],
            options={
                'verbose_name': 'report',
                'verbose_name_plural': 'reports',
                'ordering': [models.OrderBy(models.F('resolved'), descending=True, nulls_first=True), 'created'],
            },
        ),
        migrations.AddIndex(
            model_name='image',
            index=pgvector.django.indexes.HnswIndex(ef_construction=128, fields=['embedding'], m=16, name='image_embedding_hnsw', opclasses=['halfvec_cosine_ops']),
        ),
        migrations.AddIndex(
            model_name='image',
            index=models.Index(fields=['-created', 'id'], name='image_newest'),
        ),
        migrations.AddIndex(
            model_name='image',
            index=models.Index(condition=models.Q(('hidden', False)), fields=['embedding_model'], name='image_searchable'),
        ),
        migrations.AddIndex(
            model_name='image',
            index=django.contrib.postgres.indexes.GinIndex(fields=['tags'], name='image_tags'),
        ),
        migrations.AddConstraint(
            model_name='image',
            constraint=models.CheckConstraint(condition=models.Q(('height__gt', 0), ('width__gt', 0)), name='image_has_pixels'),
        ),
        migrations.AddConstraint(
            model_name='image',
            constraint=models.CheckConstraint(condition=models.Q(('byte_size__gt', 0)), name='image_has_bytes'),
        ),
        migrations.AddConstraint(
            model_name='image',
            constraint=models.CheckConstraint(condition=models.Q(('format__in', ['JPEG', 'PNG', 'WEBP', 'GIF', 'AVIF', 'HEIF'])), name='image_format_is_known'),
        ),
        migrations.AddConstraint(
            model_name='image',
            constraint=models.CheckConstraint(condition=models.Q(('embedding_model', ''), _negated=True), name='image_names_its_model'),
        ),
        migrations.AddConstraint(
            model_name='image',
            constraint=models.CheckConstraint(condition=models.Q(('dominant_colour__regex', '^#[0-9a-f]{6}$')), name='image_dominant_colour_is_rgb'),
        ),
        migrations.AddConstraint(
            model_name='image',
            constraint=models.CheckConstraint(condition=models.Q(('placeholder__startswith', 'data:image/')), name='image_placeholder_is_a_data_uri'),
        ),
        migrations.AddConstraint(
            model_name='image',
            constraint=models.CheckConstraint(condition=models.Q(('source_link', ''), ('source_link__iregex', '^https?://'), _connector='OR'), name='image_source_link_is_web'),
        ),
        migrations.AddConstraint(
            model_name='image',
            constraint=models.CheckConstraint(condition=models.Q(django.db.models.lookups.GreaterThan(models.Func('embedding', function='l2_norm', output_field=models.FloatField()), 0.99), django.db.models.lookups.LessThan(models.Func('embedding', function='l2_norm', output_field=models.FloatField()), 1.01)), name='image_embedding_has_unit_length'),
        ),
        migrations.AddIndex(
            model_name='report',
            index=models.Index(condition=models.Q(('resolved', None)), fields=['created'], name='report_pending'),
        ),
        migrations.AddConstraint(
            model_name='report',
            constraint=models.CheckConstraint(condition=models.Q(('reason__in', ['inappropriate', 'broken', 'violent', 'explicit', 'horror', 'advertisement', 'other'])), name='report_reason_is_known'),
        ),
    ]
