"""Four worker processes share the pending pictures; two are killed while they hold claims: no vector is lost or made
twice."""

import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from django.conf import settings as django_settings

from search.embedding import active_model
from search.models import Image
from search.models.vector_values import Vector
from tests.base import pending_image

pytestmark = pytest.mark.django_db(transaction=True)

PICTURES = 60
BATCH = 4

# The encoder replaces a model, which would take seconds to load in each process: a picture's vector is its colour.
# From batch `hold_from` on it blocks forever and prints that it does, so that the test knows what the worker has
# claimed.
WORKER = f"""
import sys, time, django; django.setup()
from search.ingestion import Pending, Worker, pending_vector_worker
from tests.test_killed_workers import colour_vector
hold_from, batches = int(sys.argv[1]), 0
def tell(*words): print(*words, flush=True)
class Encoder:
    backend, window = "colours", None
    def encode_pictures(self, pictures):
        global batches
        batches += 1
        if batches >= hold_from:
            tell("holds", len(pictures))
            sys.stdin.read()
        return [colour_vector(picture.getpixel((0, 0))) for picture in pictures]
pending_vector_worker.picture_encoder, pending_vector_worker.POLL_SECONDS = Encoder, 0.05
worker = Worker(Pending(), batch={BATCH}, progress=lambda report: tell("has", report.added))
worker.work()
tell("ends", worker.report.added, len(worker.report.failed))
"""
NEVER = 10**6


def colour_vector(colour: tuple[int, ...]) -> Vector:
    """A unit vector that encodes the colour of a picture."""
    vector = np.zeros(512, dtype=np.float32)
    vector[:3] = colour[:3]
    vector[3] = 50
    unit: Vector = vector / np.linalg.norm(vector)
    return unit


class Process:
    """A worker in a process of its own; `given` counts the vectors it has reported."""

    def __init__(self, media: str, *, hold_from: int = NEVER) -> None:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.killed_settings",
            "TEST_DATABASE": django_settings.DATABASES["default"]["NAME"],
            "TEST_MEDIA": media,
            "EMBEDDING_IMAGE_MODEL": django_settings.EMBEDDING_IMAGE_MODEL,
        }
        command = [sys.executable, "-W", "ignore", "-c", WORKER, str(hold_from)]
        self.given = self.holds = 0
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def lines(self) -> Iterator[str]:
        assert self.process.stdout
        for line in self.process.stdout:
            word, number = line.split()[:2]
            self.holds += word == "holds"
            if word != "holds":
                self.given = int(number)
            yield word

    def until(self, word: str, times: int = 1) -> None:
        seen = 0
        for word_printed in self.lines():
            seen += word_printed == word
            if seen == times:
                return
        pytest.fail(f"The worker ended before it told {word!r} {times} times.")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def colours() -> dict[object, tuple[int, int, int]]:
    """The colours of the pending pictures, by their ids."""
    colours = [(4 * number, 255 - 4 * number, 128) for number in range(PICTURES)]
    return {pending_image(colour).pk: colour for colour in colours}  # type: ignore[arg-type]


def test_four_workers_of_which_two_are_killed_compute_every_vector_once(colours, settings):
    media = str(settings.MEDIA_ROOT)
    # Each computes one batch, then has claimed two pictures when it is killed.
    killed = [Process(media, hold_from=2) for _ in range(2)]
    steady: list[Process] = []
    try:
        for worker in killed:
            worker.until("holds", times=2)
        assert Image.objects.pending().count() == PICTURES - 2 * BATCH
        steady = [Process(media) for _ in range(2)]
        for worker in steady:
            worker.until("has")
        killed[0].kill()
        steady[0].until("has")
        killed[1].kill()
        for worker in steady:
            worker.until("ends")
            assert worker.process.wait() == 0
    finally:
        for worker in (*killed, *steady):
            worker.kill()

    assert [worker.given for worker in killed] == [BATCH, BATCH]
    assert sum(worker.given for worker in (*killed, *steady)) == PICTURES
    assert Image.objects.filter(embedding_model=active_model(), embedding_backend="colours").count() == PICTURES
    for image in Image.objects.all():
        assert image.embedding @ colour_vector(colours[image.pk]) > 0.999
