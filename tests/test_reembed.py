"""After a change of model, every picture gets a vector of the new model and is found again."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from search.curation.cleaned_details import Details
from search.embedding import ModelUnavailable, Picture, active_model, picture_encoder
from search.imaging import read_picture
from search.ingestion import Report, add_picture, pending_vector_worker, reembed, stale_images
from search.models import Image
from search.models.vector_values import Vectors
from search.objects import storage
from tests.base import a_vector, an_image, picture_bytes, stored_image

# Several threads work, each with its own connection.
pytestmark = pytest.mark.django_db(transaction=True)

OLD = "somebody/an-older-model"
COLOURS = ["red", "green", "blue"]


class CountingEncoder:
    """The real encoder; records the number of pictures in each call, and can be made to fail after some calls."""

    def __init__(self, fail_after: int | None = None) -> None:
        self.calls: list[int] = []
        self.fail_after = fail_after

    backend = "counting"
    window = None

    def encode_pictures(self, pictures: Sequence[Picture]) -> Vectors:
        if self.fail_after is not None and len(self.calls) >= self.fail_after:
            raise KeyboardInterrupt
        self.calls.append(len(pictures))
        return picture_encoder().encode_pictures(pictures)


def stale(colour: str = "red") -> Image:
    """A picture whose vector was computed by an older model."""
    return stored_image(colour, embedding_model=OLD, vector=a_vector(1))


def vector_of(colour: str) -> np.ndarray:
    picture = read_picture(picture_bytes(colour, size=(640, 480)), max_pixels=10**6).picture
    return picture_encoder().encode_pictures([picture])[0]


def test_every_stale_picture_gets_a_vector_of_the_active_model() -> None:
    images = {colour: stale(colour) for colour in COLOURS}
    assert stale_images() == 3

    report = reembed()

    assert (report.added, report.failed) == (3, [])
    assert stale_images() == 0
    for colour, image in images.items():
        image.refresh_from_db()
        assert image.embedding_model == active_model()
        assert image.embedding @ vector_of(colour) > 0.999


def test_pictures_of_the_active_model_are_left_alone() -> None:
    fresh = an_image(vector=a_vector(5))  # it has no original: reading it would fail

    report = reembed()

    assert (report.added, report.failed) == (0, [])
    fresh.refresh_from_db()
    assert fresh.embedding @ a_vector(5) > 0.999


def test_hidden_pictures_are_embedded_too() -> None:
    image = stored_image(embedding_model=OLD, vector=a_vector(1), hidden=True)

    reembed()

    image.refresh_from_db()
    assert image.embedding_model == active_model()
    assert image.hidden


def test_edited_fields_are_kept() -> None:
    data = picture_bytes("red", size=(640, 480))
    image = add_picture(data, Details(title="A red one", tags=["red"]), None).image
    Image.objects.update(embedding_model=OLD)

    reembed()

    image.refresh_from_db()
    assert (image.title, image.tags, image.embedding_model) == ("A red one", ["red"], active_model())


def test_unreadable_pictures_are_reported_and_do_not_stop_the_run() -> None:
    missing = an_image(embedding_model=OLD, vector=a_vector(1))
    broken = an_image(embedding_model=OLD, vector=a_vector(1))
    storage.put(storage.original_key(broken.id), b"not a picture", "image/jpeg")
    whole = stale()

    report = reembed()

    whole.refresh_from_db()
    assert whole.embedding_model == active_model()
    assert report.added == 1
    assert {name for name, _ in report.failed} == {str(missing.id), str(broken.id)}
    assert all(reason for _, reason in report.failed)
    assert stale_images() == 2


def test_it_works_in_batches_and_reports_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = CountingEncoder()
    monkeypatch.setattr(pending_vector_worker, "picture_encoder", lambda: encoder)
    for _ in range(5):
        stale()
    seen: list[int] = []

    def progress(report: Report) -> None:
        seen.append(report.seen)

    reembed(progress, batch=2)

    assert sorted(encoder.calls) == [1, 2, 2]
    assert seen[0] == 0
    assert seen == sorted(seen)
    assert seen[-1] == 5


def test_a_stopped_run_is_continued_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        stale()
    encoder = CountingEncoder(fail_after=1)
    monkeypatch.setattr(pending_vector_worker, "picture_encoder", lambda: encoder)
    with pytest.raises(KeyboardInterrupt):
        reembed(batch=2)
    assert stale_images() == 3

    encoder.fail_after = None
    report = reembed(batch=2)

    assert report.added == 3
    assert stale_images() == 0


def test_without_a_model_nothing_changes(no_model: Path) -> None:
    stale()

    with pytest.raises(ModelUnavailable):
        reembed()
    with pytest.raises(CommandError, match=re.escape(str(no_model))):
        call_command("reembed")

    assert Image.objects.get().embedding_model == OLD


def test_an_unavailable_storage_stops_the_command_with_a_message(settings: Any) -> None:
    stale()
    settings.MEDIA_ROOT = Path(settings.MEDIA_ROOT).with_name("a-file")
    settings.MEDIA_ROOT.write_text("not a folder")

    with pytest.raises(CommandError, match="can't be written or read"):
        call_command("reembed")


def test_the_command_prints_a_summary(capsys: pytest.CaptureFixture[str]) -> None:
    stale()

    call_command("reembed")

    assert "1 embedded again, 0 failed." in capsys.readouterr().out


def test_the_command_exits_with_1_if_a_picture_failed(capsys: pytest.CaptureFixture[str]) -> None:
    missing = an_image(embedding_model=OLD, vector=a_vector(1))

    with pytest.raises(SystemExit) as ended:
        call_command("reembed")

    output = capsys.readouterr()
    assert ended.value.code == 1
    assert "0 embedded again, 1 failed." in output.out
    assert str(missing.id) in output.err
