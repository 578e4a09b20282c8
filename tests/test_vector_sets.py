"""The tables of vectors, one for each model, maintained by triggers."""

import uuid

import numpy as np
import pytest
from django.db import IntegrityError, connection, transaction

from search.models import Image, ImageVector, VectorSet
from search.models.vector_sets import current_set, drop_left_tables, drop_set, left_tables, make_set
from search.models.vector_values import Vector

pytestmark = pytest.mark.django_db


def unit(seed: int, dimensions: int = 512) -> Vector:
    vector = np.random.default_rng(seed).normal(size=dimensions).astype(np.float32)
    result: Vector = vector / np.linalg.norm(vector)
    return result


def an_image(seed: int, model: str = "one", dimensions: int = 512) -> Image:
    return Image(
        id=uuid.UUID(int=seed),
        embedding=unit(seed, dimensions) if model else None,
        embedding_model=model,
        format="JPEG",
        width=30,
        height=20,
        byte_size=1,
        dominant_colour="#112233",
        placeholder="data:image/webp;base64,",
    )


def rows(model: str = "one") -> list[int]:
    found = ImageVector.objects.filter(set__model=model).order_by("image_id")
    return [image_id.int for image_id in found.values_list("image_id", flat=True)]


def test_a_vector_is_copied_into_the_set_of_its_model() -> None:
    Image.objects.bulk_create([an_image(1), an_image(2), an_image(3, ""), an_image(4, "other", 768)])
    assert rows() == [1, 2]
    assert rows("other") == [4]
    other = current_set("other")
    assert other is not None
    assert other.dimensions == 768


def test_added_and_changed_vectors_are_copied_too() -> None:
    image = an_image(1, "")
    image.save()
    assert rows() == []
    Image.objects.filter(pk=image.pk).update(embedding=unit(7), embedding_model="one")
    assert rows() == [1]
    Image.objects.filter(pk=image.pk).update(embedding=unit(8))
    row = ImageVector.objects.get(image=image)
    assert np.allclose(row.embedding, unit(8), atol=1e-3)


def test_an_image_re_embedded_by_another_model_leaves_the_old_set() -> None:
    Image.objects.bulk_create([an_image(1), an_image(2)])
    Image.objects.filter(pk=uuid.UUID(int=1)).update(embedding=unit(9), embedding_model="other")
    assert (rows(), rows("other")) == ([2], [1])
    VectorSet.objects.filter(model="one").update(is_kept=True)
    Image.objects.filter(pk=uuid.UUID(int=2)).update(embedding=unit(9), embedding_model="other")
    assert (rows(), rows("other")) == ([2], [1, 2])


def test_a_deleted_image_is_removed_from_all_sets() -> None:
    Image.objects.bulk_create([an_image(1), an_image(2)])
    VectorSet.objects.filter(model="one").update(is_kept=True)
    Image.objects.filter(pk=uuid.UUID(int=2)).update(embedding=unit(9), embedding_model="other")
    Image.objects.all().delete()
    assert not ImageVector.objects.exists()


def test_editing_an_image_writes_no_vector() -> None:
    Image.objects.bulk_create([an_image(1)])
    with connection.cursor() as cursor:
        cursor.execute("SELECT ctid FROM search_imagevector")
        before = cursor.fetchall()
        image = Image.objects.get()
        image.title, image.tags, image.hidden = "A title", ["a tag"], True
        image.save()
        cursor.execute("SELECT ctid FROM search_imagevector")
        assert cursor.fetchall() == before


def test_a_vector_of_the_wrong_dimensions_is_refused() -> None:
    an_image(1).save()
    with pytest.raises(IntegrityError), transaction.atomic():
        an_image(2, dimensions=768).save()


def test_a_partitioned_set_stores_each_vector_once() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT make_vector_set('one', 512, 4)")
    Image.objects.bulk_create([an_image(seed) for seed in range(1, 21)])
    assert rows() == list(range(1, 21))
    table = current_set("one")
    assert table is not None
    assert len(table.leaves) == 4
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table.leaves[3]}")
        assert 0 < cursor.fetchone()[0] < 20


@pytest.mark.django_db(transaction=True)
def test_a_dropped_set_leaves_nothing_and_an_interrupted_drop_can_be_completed() -> None:
    table, kept = make_set("gone", 64, 2), make_set("kept", 64)
    Image.objects.bulk_create([an_image(1, "gone", 64), an_image(2, "kept", 64)])
    drop_set(table)
    assert current_set("gone") is None
    assert (rows("gone"), rows("kept")) == ([], [2])
    assert left_tables() == []
    VectorSet.objects.filter(pk=kept.id).delete()  # and the process was killed
    assert left_tables() == [kept.table]
    drop_left_tables()
    assert left_tables() == []
    assert not ImageVector.objects.exists()
