"""Models with any number of dimensions: vectors are stored, searched and calibrated; a mismatch is reported."""

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from PIL import Image as PILImage

from search.curation.cleaned_details import Details
from search.embedding import (
    ModelUnavailable,
    active_model,
    compile_pictures,
    compile_texts,
    forget_models,
    picture_encoder,
    text_encoder,
    text_vector,
)
from search.ingestion import add_picture
from search.models import Calibration, Image, QueryPicture, VectorSet
from search.models.vector_sets import current_set, forget_sets
from search.models.vector_values import MOST_DIMENSIONS, WrongVectors, unit_vectors
from search.relevance import calibrate
from search.relevance.calibration import LEAST
from tests.base import an_image, pending_image, picture_bytes, picture_file
from tests.conftest import wait_for_models
from tests.model_folders import clip_folder, words_folder

DIMENSIONS = [512, 768, 1024, 1152]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes each folder once, by kind and number of dimensions."""
    base = tmp_path_factory.mktemp("models")
    makers = {"clip": clip_folder, "words": words_folder}

    def folder(kind: str, dimensions: int) -> Path:
        path = base / f"{kind}-{dimensions}"
        return path if path.exists() else makers[kind](path, dimensions)

    return folder


@pytest.fixture
def use(settings: Any, folders: Callable[..., Path]) -> Any:
    """Has the product use models with these numbers of dimensions, not compiled; unloads them afterwards."""
    settings.COMPILE_MODELS = False

    def use(pictures: int, words: int, *, words_by: str = "words") -> None:
        settings.EMBEDDING_IMAGE_MODEL = str(folders("clip", pictures))
        settings.EMBEDDING_TEXT_MODEL = str(folders(words_by, words))
        forget_models()
        forget_sets()
        cache.clear()

    yield use
    wait_for_models()
    forget_models()


# Encoding


@pytest.mark.parametrize("dimensions", DIMENSIONS)
@pytest.mark.parametrize("words_by", ["words", "clip"])
def test_vectors_have_the_dimensions_of_their_model(use: Any, dimensions: int, words_by: str) -> None:
    use(dimensions, dimensions, words_by=words_by)

    pictures, words = picture_encoder(), text_encoder()

    assert (pictures.dimensions, words.dimensions) == (dimensions, dimensions)
    assert pictures.encode_pictures([PILImage.new("RGB", (60, 40), "red")]).shape == (1, dimensions)
    assert words.encode_texts(["red star", "금붕어"]).shape == (2, dimensions)
    assert words.encode_texts([]).shape == (0, dimensions)


@pytest.mark.django_db
def test_a_compiled_model_has_the_same_dimensions(use: Any, settings: Any, tmp_path: Path) -> None:
    use(768, 768)
    settings.COMPILE_MODELS, settings.MODELS_DIR = True, tmp_path / "compiled"

    assert compile_texts().precision
    assert compile_pictures().precision

    for encoder in (picture_encoder(), text_encoder()):
        assert encoder.backend.startswith("openvino ")
        assert encoder.dimensions == 768
    assert text_encoder().encode_texts(["red star"]).shape == (1, 768)
    assert picture_encoder().encode_pictures([PILImage.new("RGB", (60, 40), "red")]).shape == (1, 768)


def test_more_dimensions_than_the_index_supports_are_refused(use: Any) -> None:
    use(MOST_DIMENSIONS + 8, 512)

    with pytest.raises(ModelUnavailable, match=r"vectors of 4,008 dimensions.*4,000"):
        picture_encoder()


@pytest.mark.parametrize("raw", [np.ones(5), np.ones((2, 0)), np.ones((2, 3, 4)), np.ones(()), np.ones((3, 4))])
def test_arrays_of_a_wrong_shape_are_refused(raw: Any) -> None:
    with pytest.raises(WrongVectors, match="of shape"):
        unit_vectors(raw, count=2)


# From an upload to the results


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("dimensions", [768, 1152])
def test_an_uploaded_picture_is_found_by_text_by_picture_and_by_image(
    use: Any, as_alice: Client, dimensions: int
) -> None:
    use(dimensions, dimensions)

    assert as_alice.post("/upload/", {"pictures": [picture_file(size=(90, 60))]}).status_code in {200, 302}

    (image,) = Image.objects.all()
    assert len(image.embedding) == dimensions
    stored = current_set(active_model())
    assert stored
    assert stored.dimensions == dimensions
    address = f"/images/{image.pk}/"
    assert address in as_alice.get("/search", {"q": "red star"}).content.decode()
    assert address in as_alice.get("/search", {"q": "red star"}).content.decode()  # with the cached vector
    shown = as_alice.post("/search/picture", {"picture": picture_file(colour="blue", size=(90, 60))})
    assert address in as_alice.get(shown.headers["Location"]).content.decode()
    (query,) = QueryPicture.objects.all()
    assert len(query.embedding) == dimensions
    other = add_picture(picture_bytes("green", size=(90, 60)), Details(), None).image
    assert address in as_alice.get("/search", {"image": str(other.pk)}).content.decode()


@pytest.mark.django_db(transaction=True)
def test_pending_images_are_embedded_with_the_models_dimensions(use: Any) -> None:
    use(1024, 1024)
    image = pending_image("red", vector=unit_vectors(np.ones((1, 1024)), count=1)[0])

    call_command("embed_pending")

    image.refresh_from_db()
    assert len(image.embedding) == 1024


@pytest.mark.django_db
def test_a_collection_is_calibrated_with_the_models_dimensions(use: Any) -> None:
    use(768, 768)
    rng = np.random.default_rng(3)
    for vector in unit_vectors(rng.normal(size=(LEAST, 768)), count=LEAST):
        an_image(vector=vector)

    assert calibrate().words

    (kept,) = Calibration.objects.all()
    assert kept.dimensions == 768
    assert kept.sampled().shape == (LEAST, 768)


@pytest.mark.django_db(transaction=True)
def test_a_calibration_from_before_the_migration_stays_readable() -> None:
    before, after = [("search", "0016_vectors_of_their_own")], [("search", "0018_any_dimensions")]
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes("search")
    executor = MigrationExecutor(connection)
    executor.migrate(before)
    sample = Calibration.as_sample(unit_vectors(np.random.default_rng(4).normal(size=(40, 512)), count=40))
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO search_calibration VALUES ('old', 'words', now(), 40, 0.1, 0.2, 0.3, %s)", [sample]
            )
        MigrationExecutor(connection).migrate(after)
    finally:
        MigrationExecutor(connection).migrate(newest)

    assert Calibration.objects.get(model="old").sampled().shape == (40, 512)


# Mismatches


def ready(client: Client) -> dict[str, str]:
    """The answer of /readyz after all models have been loaded."""
    client.get("/readyz")
    wait_for_models()
    told: dict[str, str] = client.get("/readyz").json()
    return told


@pytest.mark.django_db
def test_a_text_model_with_other_dimensions_is_refused_and_reported(use: Any, as_alice: Client) -> None:
    use(512, 768)
    picture_encoder(), text_encoder()

    told = ready(as_alice)
    answers = [as_alice.get("/search", {"q": "red star"}), as_alice.post("/upload/", {"pictures": [picture_file()]})]

    assert told["status"] == "not ready"
    assert "768 dimensions for texts, and the pictures' of" in told["text_model"]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert all("they don't share one space" in html.unescape(answer.content.decode()) for answer in answers)
    assert not Image.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_text_model_is_checked_against_stored_vectors_if_the_image_model_is_not_loaded(
    use: Any, as_alice: Client
) -> None:
    use(512, 512)
    add_picture(picture_bytes("red", size=(90, 60)), Details(), None)
    use(512, 768)

    assert "they don't share one space" in ready(as_alice)["text_model"]
    with pytest.raises(ModelUnavailable, match="768 dimensions for texts"):
        text_vector("red star")


@pytest.mark.django_db(transaction=True)
def test_a_model_that_changed_its_dimensions_under_the_same_name_is_refused(
    use: Any, as_alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As with a hub id of which another revision was downloaded.
    monkeypatch.setattr("search.embedding.model_identity.identity_of", lambda name: "somebody/model")
    monkeypatch.setattr("search.embedding.loading.identity_of", lambda name: "somebody/model")
    use(512, 512)
    old = add_picture(picture_bytes("red", size=(90, 60)), Details(), None).image
    waiting = pending_image("blue")
    use(768, 768)
    picture_encoder()

    with pytest.raises(ModelUnavailable, match=r"768 dimensions.*somebody/model have 512"):
        add_picture(picture_bytes("green", size=(90, 60)), Details(), None)
    answers = [
        as_alice.post("/upload/", {"pictures": [picture_file(colour="green")]}),
        as_alice.post("/search/picture", {"picture": picture_file(size=(90, 60))}),
    ]
    with pytest.raises(CommandError, match="somebody/model have 512"):
        call_command("embed_pending")

    assert [answer.status_code for answer in answers] == [503, 503]
    assert "somebody/model have 512" in ready(as_alice)["image_model"]
    assert set(Image.objects.values_list("pk", flat=True)) == {old.pk, waiting.pk}
    assert Image.objects.get(pk=waiting.pk).is_pending
    assert not QueryPicture.objects.exists()
    assert VectorSet.objects.get(model="somebody/model").dimensions == 512
