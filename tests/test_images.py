"""Constraints of the image table."""

import uuid

import numpy as np
import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from search.models import Image
from search.models.image import content_id
from tests.base import a_vector, an_image

db = pytest.mark.django_db


@given(st.binary(max_size=200))
def test_the_same_bytes_have_the_same_id_a_uuid_of_version_8(data: bytes):
    assert content_id(data) == content_id(bytes(data))
    assert content_id(data).version == 8
    assert content_id(data).variant == uuid.RFC_4122


def test_different_bytes_have_different_ids():
    assert content_id(b"a") != content_id(b"b")


@db
@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 0},
        {"height": 0},
        {"byte_size": 0},
        {"format": "XCF"},
        {"embedding_model": ""},
        {"dominant_colour": "red"},
        {"dominant_colour": "#AABBCC"},
        {"placeholder": ""},
        {"placeholder": "https://elsewhere.example/tracker.gif"},
        {"source_link": "javascript:alert(1)"},
        {"vector": np.zeros(512)},
        {"vector": a_vector(1) * 2},
    ],
    ids="-".join,
)
def test_constraints_refuse_invalid_images(wrong: dict[str, object]):
    with pytest.raises(IntegrityError), transaction.atomic():
        an_image(**wrong)  # type: ignore[arg-type]


@db
def test_an_image_has_one_row():
    image = an_image()
    with pytest.raises(IntegrityError), transaction.atomic():
        an_image(id=image.id)


@db
def test_an_image_without_a_title_still_has_a_name():
    assert an_image("").name == "Untitled picture"
    assert str(an_image("Red star")) == "Red star"


@db
def test_lists_do_not_read_vectors(django_assert_num_queries):
    an_image("one")
    with django_assert_num_queries(1):
        image = Image.objects.for_lists().get()
        assert image.title == "one"
    assert "embedding" in image.get_deferred_fields()


@db
def test_images_of_a_deleted_user_are_kept(alice):
    image = an_image(uploader=alice)
    alice.delete()
    image.refresh_from_db()
    assert image.uploader is None
