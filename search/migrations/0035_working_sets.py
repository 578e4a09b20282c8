"""Pictures that curators work on: pasted, or found by a search. A new table: takes no time."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('search', '0032_history'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='WorkingSet',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False, verbose_name='id')),
                ('images', django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), size=None, verbose_name='images')),
                ('search', models.TextField(blank=True, verbose_name='search')),
                ('missing', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), blank=True, default=list, size=None, verbose_name='not found')),
                ('missing_count', models.PositiveIntegerField(default=0, verbose_name='number not found')),
                ('created', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), db_index=True, editable=False, verbose_name='created')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL, verbose_name='user')),
            ],
            options={
                'verbose_name': 'working set',
                'verbose_name_plural': 'working sets',
                'default_permissions': (),
                'constraints': [models.CheckConstraint(condition=models.Q(('missing__len__lte', 100)), name='few_missing_are_named')],
            },
        ),
    ]
