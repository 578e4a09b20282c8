"""The ledger of runs: the table of the runs of ingestion gets the other kinds, and the names of files that were not
added a table of their own. In no time: what is added to the one has constants, and the other is empty."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

# By the database, so that old runs go in one statement.
OF_A_RUN = """
ALTER TABLE search_runfile ADD CONSTRAINT run_file_of_a_run FOREIGN KEY (run_id) REFERENCES search_run (id)
ON DELETE CASCADE;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("search", "0040_tagging"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RenameModel("IngestRun", "Run"),
        migrations.CreateModel(
            name='RunFile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('failed', 'failed'), ('refused', 'rejected'), ('deleted', 'deleted earlier'), ('left', 'skipped')], editable=False, max_length=8, verbose_name='type')),
                ('name', models.TextField(editable=False, verbose_name='name')),
                ('address', models.TextField(blank=True, default='', editable=False)),
                ('reason', models.TextField(editable=False, verbose_name='reason')),
            ],
            options={
                'verbose_name': 'file of a run',
                'verbose_name_plural': 'files of runs',
                'ordering': ['pk'],
                'default_permissions': (),
            },
        ),
        migrations.AlterModelOptions(
            name='run',
            options={'default_permissions': (), 'ordering': ['-pk'], 'verbose_name': 'run', 'verbose_name_plural': 'runs'},
        ),
        migrations.RemoveField(
            model_name='run',
            name='backend',
        ),
        migrations.RemoveField(
            model_name='run',
            name='backend_started',
        ),
        migrations.AddField(
            model_name='run',
            name='account',
            field=models.TextField(blank=True, default='', editable=False, verbose_name='account'),
        ),
        migrations.AddField(
            model_name='run',
            name='by',
            field=models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='user'),
        ),
        migrations.AddField(
            model_name='run',
            name='changed',
            field=models.PositiveBigIntegerField(default=0, verbose_name='new versions'),
        ),
        migrations.AddField(
            model_name='run',
            name='door',
            field=models.CharField(choices=[('page', 'the website'), ('api', 'the API'), ('admin', 'the administration'), ('command', 'a command')], default='command', editable=False, max_length=10, verbose_name='source'),
        ),
        migrations.AddField(
            model_name='run',
            name='kind',
            field=models.CharField(choices=[('ingest', 'Ingestion'), ('upload', 'Upload'), ('embed_pending', 'Computing pending vectors'), ('reembed', 'Recomputing vectors'), ('find_duplicates', 'Searching for duplicates'), ('read_metadata', 'Reading metadata'), ('find_places', 'Looking up places'), ('reconcile', 'Checking the storage')], default='ingest', editable=False, max_length=16, verbose_name='type'),
        ),
        migrations.AddField(
            model_name='run',
            name='left_alone',
            field=models.JSONField(default=dict, editable=False, verbose_name='skipped'),
        ),
        migrations.AddField(
            model_name='run',
            name='machine',
            field=models.TextField(blank=True, default='', editable=False, verbose_name='machine'),
        ),
        migrations.AddField(
            model_name='run',
            name='noted',
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='last activity'),
        ),
        migrations.AddField(
            model_name='run',
            name='options',
            field=models.JSONField(default=dict, editable=False),
        ),
        migrations.AddField(
            model_name='run',
            name='places',
            field=models.JSONField(default=list, editable=False, verbose_name='locations'),
        ),
        migrations.AddField(
            model_name='run',
            name='problem',
            field=models.TextField(blank=True, db_default='', default='', editable=False, verbose_name='reason for stopping'),
        ),
        migrations.AddField(
            model_name='run',
            name='refused',
            field=models.PositiveBigIntegerField(default=0, verbose_name='rejected'),
        ),
        migrations.AddField(
            model_name='run',
            name='restored',
            field=models.PositiveBigIntegerField(default=0, verbose_name='files restored'),
        ),
        migrations.AddField(
            model_name='run',
            name='retries',
            field=models.ForeignKey(db_constraint=False, editable=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='retried_by', to='search.run'),
        ),
        migrations.AddField(
            model_name='run',
            name='trashed',
            field=models.PositiveBigIntegerField(default=0, verbose_name='in the trash'),
        ),
        migrations.AddField(
            model_name='run',
            name='updated',
            field=models.PositiveBigIntegerField(default=0, verbose_name='changed details'),
        ),
        migrations.AlterField(
            model_name='run',
            name='added',
            field=models.PositiveBigIntegerField(default=0, verbose_name='added'),
        ),
        migrations.AlterField(
            model_name='run',
            name='deleted',
            field=models.PositiveBigIntegerField(default=0, verbose_name='deleted earlier'),
        ),
        migrations.AlterField(
            model_name='run',
            name='ended',
            field=models.DateTimeField(editable=False, null=True, verbose_name='ended'),
        ),
        migrations.AlterField(
            model_name='run',
            name='failed',
            field=models.PositiveBigIntegerField(default=0, verbose_name='failed'),
        ),
        migrations.AlterField(
            model_name='run',
            name='known',
            field=models.PositiveBigIntegerField(default=0, verbose_name='already here'),
        ),
        migrations.AlterField(
            model_name='run',
            name='outcome',
            field=models.CharField(blank=True, choices=[('', 'in progress'), ('done', 'done'), ('stopped', 'stopped'), ('failed', 'failed')], db_default='', default='', editable=False, max_length=10, verbose_name='outcome'),
        ),
        migrations.AlterField(
            model_name='run',
            name='started',
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='started'),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(fields=['started'], name='run_age'),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(fields=['kind', '-id'], name='run_last_of_kind'),
        ),
        migrations.AddField(
            model_name='runfile',
            name='run',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='files', to='search.run'),
        ),
        migrations.AddIndex(
            model_name='runfile',
            index=models.Index(fields=['run', 'id'], name='run_file_of_run'),
        ),
        # Runs of before that were killed were not heard of now.
        migrations.RunSQL("UPDATE search_run SET noted = coalesce(ended, started)", migrations.RunSQL.noop),
        migrations.RunSQL(OF_A_RUN, migrations.RunSQL.noop),
    ]
