"""Memory for decoding: estimated from the header of a file, shared by all processes of the machine."""

import os
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from PIL import Image

from search import decoding
from search.decoding import Busy, task_runner
from search.decoding.decoder_supervision import BASE
from search.decoding.memory_budget import UNIT, MemoryBudget, _locked, budget, memory
from search.imaging import Reason, UnreadableImage, read_picture
from search.imaging.thumbnails import cut_out
from search.models import Image as ImageRow
from search.models import QueryPicture
from tests import pictures
from tests.base import picture_bytes, picture_file
from tests.raw_files import tiff

ALL = 1_000_000_000


@pytest.fixture
def small_site(settings) -> int:
    """100 MB for all decoders; returns how many bytes of them one picture may use."""
    settings.DECODE_MAX_MB = settings.INGEST_DECODE_MAX_MB = 100
    return memory() - BASE


@pytest.fixture
def no_first_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every picture gets exactly the memory estimated from its header."""
    monkeypatch.setattr(task_runner, "_FIRST", 0)


def refusal(data: bytes) -> UnreadableImage:
    with pytest.raises(UnreadableImage) as refused:
        decoding.prepared_picture(data, max_pixels=100_000_000, longest=400, window=None, with_picture=False)
    return refused.value


# Estimates


def noise(mode: str = "RGB", size: tuple[int, int] = (1800, 1200)) -> Image.Image:
    grey = Image.effect_noise((size[0] // 8, size[1] // 8), 60).resize(size)
    return grey.convert(mode) if mode != "RGBA" else Image.merge("RGBA", [grey] * 4)


def deep_tiff() -> bytes:
    """A TIFF of three samples of 32 bits per pixel, in one strip."""
    page = {256: 1800, 257: 1200, 258: [32] * 3, 259: 1, 262: 2, 277: 3, 278: 1200, 279: 12 * 1800 * 1200, 273: 0}
    start = len(tiff(page))
    return tiff(page | {273: start}) + os.urandom(1800 * 12) * 1200


SMALLER = (900, 600)
"""For slow encoders."""
LARGE = {
    "baseline JPEG": lambda: pictures.encoded(noise(), "JPEG"),
    "progressive JPEG": lambda: pictures.encoded(noise(), "JPEG", progressive=True, subsampling=0),
    "JPEG in inks": lambda: pictures.encoded(noise("CMYK"), "JPEG", progressive=True),
    "JPEG without an end": lambda: pictures.encoded(noise(), "JPEG", progressive=True)[:-2],
    "PNG": lambda: pictures.encoded(noise(), "PNG", compress_level=1, icc_profile=pictures.swapped_profile()),
    "PNG with layers": lambda: pictures.encoded(noise("RGBA"), "PNG", compress_level=1),
    "PNG with a palette": lambda: pictures.encoded(noise("RGBA").quantize(32, 2), "PNG", compress_level=1),
    "deep PNG": lambda: pictures.encoded(noise("I").point(lambda x: x * 257).convert("I;16"), "PNG", compress_level=1),
    "WebP": lambda: pictures.encoded(noise(), "WEBP", quality=30, method=0),
    "WebP with layers": lambda: pictures.encoded(noise("RGBA"), "WEBP", quality=30, method=0),
    "moving GIF": lambda: film("GIF"),
    "moving WebP": lambda: film("WEBP", quality=30, method=0),
    "moving PNG": lambda: film("PNG", compress_level=1),
    "AVIF": lambda: pictures.encoded(noise("RGBA", SMALLER), "AVIF", speed=10, quality=30),
    "HEIC": lambda: pictures.encoded(noise(size=SMALLER), "HEIF", quality=30),
    "TIFF in one piece": lambda: pictures.encoded(noise(), "TIFF", compression="tiff_lzw", tiffinfo={278: 1200}),
    "TIFF of fractions": lambda: pictures.encoded(noise("F"), "TIFF"),
    "TIFF of deep samples": deep_tiff,
    "BMP": lambda: pictures.encoded(noise(), "BMP"),
    "JPEG 2000": lambda: pictures.encoded(noise(size=SMALLER), "JP2", num_resolutions=1),
    "strip": lambda: pictures.encoded(noise(size=(48_000, 16)), "PNG", compress_level=1),
}


def film(format: str, **options: object) -> bytes:
    plain = [Image.new("RGB", (1800, 1200), colour) for colour in ("black", "navy")]
    return pictures.encoded(plain[0], format, save_all=True, append_images=[plain[1], noise()], **options)


@pytest.mark.parametrize("kind", LARGE)
def test_a_picture_is_decoded_within_the_memory_estimated_from_its_header(kind: str, no_first_try: None) -> None:
    data = LARGE[kind]()
    here = read_picture(data, max_pixels=ALL, at_least=224, longer_at_least=400)
    there = decoding.read_picture(data, max_pixels=ALL, at_least=224, longer_at_least=400)

    assert there.picture.tobytes() == here.picture.tobytes()
    decoding.prepared_picture(data, max_pixels=ALL, longest=400, window=(224, 224, 3), with_picture=True)
    decoding.reencoded(data, max_pixels=ALL, lossless=False)


def webp_of(width: int, height: int) -> bytes:
    """The header of a still WebP."""
    sides = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + sides


def test_a_picture_that_needs_too_much_memory_is_refused_before_decoding() -> None:
    error = refusal(webp_of(9_990, 10_000))

    assert error.code is Reason.TOO_MUCH_MEMORY
    assert str(error) == (
        "Opening this picture needs 1,748 MB of memory; the limit is 256. Save it as JPEG, or with fewer pixels."
    )


def test_commands_have_another_memory_limit_than_the_site(settings) -> None:
    settings.IS_COMMAND, settings.INGEST_DECODE_MAX_MB = True, 2_000

    assert refusal(webp_of(9_990, 10_000)).code is not Reason.TOO_MUCH_MEMORY


def test_a_large_photo_is_decoded_at_a_reduced_size(small_site: int) -> None:
    whole = pictures.encoded(Image.new("RGB", (9_000, 6_000), "teal"), "JPEG")

    assert decoding.read_picture(whole, max_pixels=ALL, at_least=224).width == 9_000
    with pytest.raises(UnreadableImage) as refused:
        decoding.read_picture(whole, max_pixels=ALL)
    assert refused.value.code is Reason.TOO_MUCH_MEMORY


def test_an_image_of_the_collection_may_exceed_the_limit_of_the_site(settings) -> None:
    settings.DECODE_MAX_MB, settings.INGEST_DECODE_MAX_MB = 100, 1_000
    whole = pictures.encoded(Image.new("RGBA", (3_000, 2_000), (0, 128, 128, 9)), "PNG")

    assert refusal_of_a_search(whole).code is Reason.TOO_MUCH_MEMORY
    copy = decoding.small_copy(whole, max_pixels=ALL, at_least=1, longer_at_least=800, longest=800)
    assert read_picture(copy, max_pixels=ALL).width == 800


def refusal_of_a_search(data: bytes) -> UnreadableImage:
    with pytest.raises(UnreadableImage) as refused:
        decoding.shown_picture(data, max_pixels=ALL, longest=400, window=None, copy=448)
    return refused.value


@pytest.mark.parametrize("size", [(30_000, 100), (16_000, 3)])
def test_only_the_middle_of_a_long_strip_is_scaled(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    strip = noise(size=size)
    middle = cut_out(strip, 224, 224, Image.Resampling.BICUBIC)
    monkeypatch.setattr("search.imaging.thumbnails.WIDEST", ALL)
    part = strip.crop((size[0] // 2 - 600, 0, size[0] // 2 + 600, size[1]))

    assert middle.size == (224, 224)
    assert cut_out(part, 224, 224, Image.Resampling.BICUBIC).tobytes() == middle.tobytes()


@pytest.mark.django_db
def test_query_pictures_have_a_lower_limit_of_pixels(client: Client, settings) -> None:
    settings.SEARCH_MAX_MEGAPIXELS = 1
    shown = picture_file("a.png", picture_bytes(size=(1_001, 1_000), format="PNG"))

    assert "has 1.1 megapixels; the limit is 1." in client.post("/search/picture", {"picture": shown}).text


# The memory budget


@pytest.fixture
def shared(tmp_path: Path) -> tuple[MemoryBudget, MemoryBudget]:
    """Three units of memory, shared by two processes."""
    return MemoryBudget(tmp_path, 3 * UNIT), MemoryBudget(tmp_path, 3 * UNIT)


def test_processes_share_the_memory_budget(shared: tuple[MemoryBudget, MemoryBudget]) -> None:
    one, other = shared
    with one.taken(2 * UNIT), other.taken(UNIT):
        with pytest.raises(Busy), one.taken(1, patience=0):
            pass
        with pytest.raises(Busy), other.taken(1, patience=0):
            pass
    with other.taken(3 * UNIT, patience=0):
        pass


def test_a_picture_larger_than_the_budget_runs_alone(shared: tuple[MemoryBudget, MemoryBudget]) -> None:
    one, other = shared
    with one.taken(99 * UNIT), pytest.raises(Busy), other.taken(1, patience=0):
        pass


def test_a_timed_out_request_releases_its_memory(shared: tuple[MemoryBudget, MemoryBudget]) -> None:
    one, other = shared
    with one.taken(UNIT):
        with pytest.raises(Busy), other.taken(3 * UNIT, patience=0):
            pass
        with one.taken(2 * UNIT, patience=0):
            pass


def test_small_pictures_do_not_overtake_a_waiting_large_one(shared: tuple[MemoryBudget, MemoryBudget]) -> None:
    one, other = shared
    got = threading.Event()

    def take_all() -> None:
        with other.taken(3 * UNIT):
            got.set()

    with ThreadPoolExecutor(1) as thread:
        with one.taken(UNIT):
            large = thread.submit(take_all)
            while other._waiting == 0 or not _is_locked(one):
                pass
            with pytest.raises(Busy), one.taken(UNIT, patience=0):
                pass
            assert not got.is_set()
        large.result(10)


def _is_locked(line: MemoryBudget) -> bool:
    lock = _locked(line._gate)
    if lock is not None:
        os.close(lock)
    return lock is None


def test_the_number_of_waiting_requests_is_limited(shared: tuple[MemoryBudget, MemoryBudget]) -> None:
    one, _ = shared
    one._waiting = 3
    with pytest.raises(Busy), one.taken(1, most_waiting=2):
        pass
    with one.taken(1, most_waiting=3):
        pass


def test_concurrent_pictures_take_turns_and_all_are_read(small_site: int) -> None:
    data = pictures.encoded(noise(), "PNG", compress_level=1)

    with ThreadPoolExecutor(8) as threads:
        read = [threads.submit(decoding.read_picture, data, max_pixels=ALL, at_least=224) for _ in range(8)]
        assert {one.result().width for one in read} == {1800}


class Unread(BytesIO):
    """A file that must not be read while it waits."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise AssertionError("read before its turn")


@pytest.fixture
def busy_site(monkeypatch: pytest.MonkeyPatch, small_site: int) -> Iterator[None]:
    """All memory is taken, and the timeout is zero."""
    monkeypatch.setattr(task_runner, "PATIENCE", 0.0)
    monkeypatch.setattr(task_runner._bounded, "is_set", lambda: True)
    with budget().taken(memory()):
        yield


def test_a_file_is_not_read_while_it_waits(busy_site: None) -> None:
    with pytest.raises(Busy):
        decoding.read_picture(Unread(pictures.photo()), max_pixels=ALL)


@pytest.mark.django_db
def test_requests_that_would_wait_too_long_are_503_with_retry_after(
    client: Client, as_alice: Client, busy_site: None
) -> None:
    for sender, address, field in [(client, "/search/picture", "picture"), (as_alice, "/upload/", "pictures")]:
        response = sender.post(address, {field: picture_file("a.jpg", picture_bytes())})
        assert (response.status_code, response["Retry-After"]) == (503, "5")
        assert "Too many people are sending pictures right now." in response.text
    answer = client.post("/api/search/picture", {"picture": picture_file("a.jpg", picture_bytes())})
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer["Content-Type"] == "application/problem+json"
    assert not QueryPicture.objects.exists()


def test_a_data_folder_without_locks_is_replaced_by_the_temporary_folder(
    settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings.DATA_DIR = tmp_path / "file"
    settings.DATA_DIR.write_text("no folder")

    assert decoding.read_picture(pictures.photo(), max_pixels=ALL).width == 48
    assert "using the temporary folder" in caplog.text


@pytest.mark.django_db
def test_pictures_of_a_form_that_timed_out_are_named(as_alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare, calls = decoding.prepared_picture, []

    def busy_from_the_second_on(*arguments: Any, **options: Any) -> decoding.Prepared:
        calls.append(1)
        if len(calls) > 1:
            raise Busy
        return prepare(*arguments, **options)

    monkeypatch.setattr(decoding, "prepared_picture", busy_from_the_second_on)
    files = [picture_file(f"{colour}.png", picture_bytes(colour, format="PNG")) for colour in ("red", "blue")]
    response = as_alice.post("/upload/", {"pictures": files})

    assert response.status_code == 200
    assert "Too many people are sending pictures right now. Try again in a few seconds." in response.text
    assert ImageRow.objects.count() == 1
