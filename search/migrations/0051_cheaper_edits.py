"""An edit of many pictures notes once that something has changed, and two constraints cost less. The constraints are
checked against all rows: a second for 100,000 pictures.
"""

import django.db.models.expressions
import django.db.models.functions.math
import django.db.models.lookups
from django.db import migrations, models

# Each edited row was an event in the queue of the transaction's end, which read both versions of the row again and
# called a function that found the change noted: a third of the cost of an edit. The setting is taken back with the
# transaction, or with the savepoint that the event goes with.
CHANGES = """
DROP TRIGGER image_changes ON search_image;
CREATE CONSTRAINT TRIGGER image_changes AFTER UPDATE ON search_image
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ({condition})
    EXECUTE FUNCTION number_change();
"""
CHANGED = """
        OLD.id <> NEW.id
        OR NEW.hidden
        OR (OLD.embedding_model <> '' AND OLD.embedding_model <> NEW.embedding_model)
        OR (OLD.title, OLD.description, OLD.tags, OLD.licence, OLD.uploader_id, OLD.created)
            IS DISTINCT FROM (NEW.title, NEW.description, NEW.tags, NEW.licence, NEW.uploader_id, NEW.created)
        OR (OLD.format, OLD.width, OLD.height, OLD.colour)
            IS DISTINCT FROM (NEW.format, NEW.width, NEW.height, NEW.colour)
"""
ONCE = f"""CASE
        WHEN OLD.hidden OR current_setting('search.change_queued', true) = 'yes' THEN false
        WHEN {CHANGED} THEN set_config('search.change_queued', 'yes', true) = 'yes'
        ELSE false
    END"""

# `search.models.words_of_many` writes the words of many pictures in the statement that edits them, and says so.
WORDS = """
DROP TRIGGER image_words_are_changed ON search_image;
CREATE TRIGGER image_words_are_changed AFTER UPDATE OF title, tags, description ON search_image
FOR EACH ROW WHEN ({condition}(OLD.title, OLD.tags, OLD.description) IS DISTINCT FROM (NEW.title, NEW.tags, NEW.description))
EXECUTE FUNCTION image_words_keep();
"""
UNLESS_WRITTEN = "coalesce(current_setting('search.words_follow', true), '') <> statement_timestamp()::text AND "


class Migration(migrations.Migration):

    dependencies = [
        ('search', '0050_albums_by_link'),
    ]

    operations = [
        migrations.RunSQL(
            CHANGES.format(condition=ONCE), CHANGES.format(condition=f"NOT OLD.hidden AND ({CHANGED})")
        ),
        migrations.RunSQL(WORDS.format(condition=UNLESS_WRITTEN), WORDS.format(condition="")),
        migrations.RemoveConstraint(model_name='image', name='image_source_link_is_web'),
        migrations.RemoveConstraint(model_name='image', name='image_embedding_has_unit_length'),
        migrations.AddConstraint(
            model_name='image',
            constraint=models.CheckConstraint(condition=models.Q(('source_link', ''), ('source_link__startswith', 'https://'), ('source_link__iregex', '^https?://'), _connector='OR'), name='image_source_link_is_web'),
        ),
        migrations.AddConstraint(
            model_name='image',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(django.db.models.functions.math.Abs(django.db.models.expressions.CombinedExpression(models.Func('embedding', function='l2_norm', output_field=models.FloatField()), '-', models.Value(1.0))), 0.01), name='image_embedding_has_unit_length'),
        ),
    ]
