"""Decoder processes: a file that crashes one affects no other file."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.test import Client

from search import decoding
from search.curation.cleaned_details import Details
from search.decoding import decoder_pool, task_runner
from search.decoding.decoder_pool import Pool, pool
from search.decoding.decoder_supervision import Decoder, Job
from search.imaging import ReadPicture, Reason, UnreadableImage
from search.imaging import read_picture as read_here
from search.ingestion import Item, add_picture, ingest
from search.models import Image, QueryPicture
from search.objects import storage
from tests import bad_decoder as bad
from tests import pictures
from tests.base import picture_bytes, picture_file
from tests.conftest import USUAL_IDLE_ON_SITE
from tests.decoders import bad_decoder, marked

__all__ = ["bad_decoder"]

LIMIT = 1_000_000
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="what the kernel of Linux tells")


def read(source: decoding.Source) -> ReadPicture:
    return decoding.read_picture(source, max_pixels=LIMIT)


def refusal(source: decoding.Source) -> UnreadableImage:
    with pytest.raises(UnreadableImage) as refused:
        read(source)
    return refused.value


def a_decoder() -> Decoder:
    """A decoder that waits for its next file."""
    read(pictures.photo())
    return pool()._idle[-1]


# The result equals that of decoding in this process


@pytest.mark.parametrize("format", pictures.FORMATS)
def test_every_format_is_decoded_in_a_process_without_file_access(format: str) -> None:
    photo = pictures.photo(format, 6)

    assert read(photo).picture.tobytes() == read_here(photo, max_pixels=LIMIT).picture.tobytes()
    drawn, kind = decoding.reencoded(photo, max_pixels=LIMIT, lossless=format == "PNG")
    assert (kind, read_here(drawn, max_pixels=LIMIT).picture.size) == (
        "PNG" if format == "PNG" else "JPEG",
        read(photo).picture.size,
    )


@pytest.mark.parametrize(
    "data",
    [
        pictures.grey16([0, 0x4000, 0xFFFF]),
        pictures.encoded(pictures.corners().convert("CMYK"), "JPEG"),
        pictures.encoded(pictures.corners(), "PNG", icc_profile=pictures.swapped_profile()),
        pictures.mpo(),
        *(pictures.animation(name) for name in ("GIF", "WEBP", "PNG", "AVIF")),
    ],
)
def test_rare_formats_are_decoded_in_the_process_too(data: bytes) -> None:
    assert read(data).picture.tobytes() == read_here(data, max_pixels=LIMIT).picture.tobytes()


def test_an_open_file_is_read_from_its_start() -> None:
    file = BytesIO(pictures.photo())
    file.read()

    assert read(file).picture.tobytes() == read(pictures.photo()).picture.tobytes()


def test_a_refusal_has_a_message_with_figures() -> None:
    error = refusal(pictures.pixel_bomb())

    assert (error.code, str(error)) == (
        Reason.TOO_MANY_PIXELS,
        "This picture has 400 megapixels; the limit is 1.",
    )


# Crashing decoders


@pytest.mark.parametrize("mark", [bad.ABORT, bad.CRASH, bad.EXIT, bad.RAISE, bad.LIE, bad.NONSENSE])
def test_a_file_that_crashes_its_decoder_is_refused_and_the_next_one_is_read(bad_decoder: None, mark: bytes) -> None:
    assert refusal(marked(mark)).code is Reason.BROKE_OFF
    assert read(pictures.photo()).picture.size == (48, 32)


def test_a_decoder_that_hangs_is_killed(bad_decoder: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_runner, "SECONDS", 0.3)
    error = refusal(marked(bad.HANG))

    assert (error.code, str(error)) == (
        Reason.TOO_SLOW,
        "This picture takes too long to open. Save it as JPEG, or with fewer pixels.",
    )
    assert read(pictures.photo()).picture.size == (48, 32)


def test_a_decoder_that_exceeds_its_cpu_time_is_killed_by_the_kernel(bad_decoder: None) -> None:
    decoder = a_decoder()
    with pytest.raises(UnreadableImage) as refused:
        decoder.work(Job("picture", {"max_pixels": LIMIT}, 1 << 24, 60, processor_seconds=0), marked(bad.SPIN))

    assert refused.value.code is Reason.TOO_SLOW


def test_the_memory_of_a_decoder_is_limited(bad_decoder: None) -> None:
    decoder = a_decoder()

    assert refusal(marked(bad.EAT)).code is Reason.NO_MEMORY
    assert read(pictures.photo()).picture.size == (48, 32)
    assert decoder.is_alive == (decoder in pool()._idle)


def test_a_decoder_killed_for_its_memory_is_reported_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(self: Decoder, *arguments: object) -> None:
        self._process.send_signal(signal.SIGKILL)

    with monkeypatch.context() as patched:
        patched.setattr(Decoder, "_send", killed)
        assert refusal(pictures.photo()).code is Reason.NO_MEMORY
    assert read(pictures.photo()).picture.size == (48, 32)


def test_a_file_that_crashed_a_decoder_is_not_decoded_again(
    bad_decoder: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = marked(bad.ABORT)
    refusal(data)
    monkeypatch.setattr(task_runner, "budget", None)

    assert refusal(data).code is Reason.BROKE_OFF
    assert refusal(BytesIO(data)).code is Reason.BROKE_OFF


def test_a_decoder_that_exits_at_once_is_an_error_for_the_operator(settings) -> None:
    pool().close()
    settings.DECODER = "tests.no_such_decoder"

    with pytest.raises(decoding.NoDecoder, match="ends as soon as it is started"):
        read(pictures.photo())


def test_failing_to_start_a_process_is_an_error_for_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*arguments: object, **options: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    pool().close()
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "Popen", none)
        with pytest.raises(decoding.NoDecoder, match="Resource temporarily unavailable"):
            read(pictures.photo())
    assert read(pictures.photo()).picture.size == (48, 32)


@pytest.mark.django_db
def test_ingestion_reports_such_files_and_adds_all_others(bad_decoder: None) -> None:
    files = {f"{number}.png": picture_bytes(f"#{number:02x}4080", format="PNG") for number in range(6)}
    files |= {"abort.jpg": marked(bad.ABORT), "eat.jpg": marked(bad.EAT)}
    report = ingest(Item(name, lambda data=data: data) for name, data in sorted(files.items()))  # type: ignore[misc]

    assert report.added == 6
    assert sorted(report.failed) == [
        ("abort.jpg", "This picture can't be read: the decoder failed. Save it again as JPEG or PNG."),
        ("eat.jpg", "There is not enough memory for this picture."),
    ]


@pytest.mark.django_db
def test_the_site_refuses_such_files_with_a_message(bad_decoder: None, client: Client, as_alice: Client) -> None:
    data = marked(bad.ABORT)

    for sender, address, field in [(client, "/search/picture", "picture"), (as_alice, "/upload/", "pictures")]:
        response = sender.post(address, {field: picture_file("bad.jpg", data)})
        assert (response.status_code, "the decoder failed" in response.text) == (400, True)
    answer = client.post("/api/search/picture", {"picture": picture_file("bad.jpg", data)})
    assert (answer.status_code, answer.json()["type"].rpartition("#")[2]) == (422, "broke_off")
    assert not Image.objects.exists()
    assert not QueryPicture.objects.exists()


# The sandbox


@LINUX
def test_a_decoder_has_no_secrets_open_files_or_privileges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret")
    pool().close()
    process = Path(f"/proc/{a_decoder()._process.pid}")

    assert set(process.joinpath("environ").read_bytes().split(b"\0")) == {
        f"PATH={os.defpath}".encode(),
        b"LC_ALL=C.UTF-8",
        b"",
    }
    opened = {path.readlink().name.partition(":")[0] for path in process.joinpath("fd").iterdir()}
    assert opened == {"null", "pipe", "statm"}
    limits = process.joinpath("limits").read_text()
    for name in ("open files", "file size", "core file size"):
        assert re.search(rf"Max {name} +0 +0 ", limits)
    status = process.joinpath("status").read_text()
    assert re.search(r"NoNewPrivs:\s+1\n", status)
    assert re.search(r"Seccomp:\s+2\n", status)
    assert not re.search(r"Uid:\s+0\b", status)


def test_a_decoder_imports_no_heavy_libraries() -> None:
    script = (
        "import sys; sys.path[:0] = sys.argv[1:]; import search.imaging.decoder_process;"
        "print([name for name in ('django', 'numpy', 'torch', 'asyncio') if name in sys.modules])"
    )
    paths = [str(django_settings.BASE_DIR), str(Path(pictures.Image.__file__).parent.parent)]
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, *paths], capture_output=True, text=True, check=True
    )

    assert run.stdout == "[]\n"


# Processes and threads


def test_decoders_are_reused_and_there_are_as_many_as_concurrent_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_pool, "IDLE_ON_SITE", USUAL_IDLE_ON_SITE)
    own = Pool()
    try:
        with own.borrowed() as one, own.borrowed() as other:
            assert one is not other
            assert len(own._all) == 2
        with own.borrowed() as again:
            assert again in (one, other)
        assert len(own._all) == 1  # a web worker keeps one
    finally:
        own.close()
    assert not one.is_alive
    assert not other.is_alive


def test_a_decoder_survives_a_refused_file() -> None:
    decoding.read_picture(picture_bytes(), max_pixels=1_000_000)
    with pool().borrowed() as before:
        pass
    with pytest.raises(UnreadableImage):
        decoding.read_picture(picture_bytes()[:100], max_pixels=1_000_000)
    with pool().borrowed() as after:
        assert after is before
        assert after.is_alive


def test_an_idle_decoder_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Pool()
    with own.borrowed() as decoder:
        pass
    decoder.last_used -= 1_000
    own._end_stale()

    assert not decoder.is_alive


def test_an_idle_decoder_that_died_is_replaced() -> None:
    decoder = a_decoder()
    decoder._process.kill()
    decoder._process.wait()

    assert read(pictures.photo()).picture.size == (48, 32)


def test_a_forked_process_has_its_own_decoders() -> None:
    decoder = a_decoder()
    child = os.fork()
    if not child:
        try:
            is_right = decoder not in pool()._all and read(pictures.photo()).picture.size == (48, 32)
            pool().close()
        except BaseException:
            os._exit(2)
        os._exit(0 if is_right else 1)

    assert os.waitpid(child, 0)[1] == 0
    assert a_decoder() is decoder


@LINUX
def test_no_decoder_outlives_its_parent() -> None:
    script = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); import django; django.setup()\n"
        "from search.decoding.decoder_pool import pool\n"
        "with pool().borrowed() as decoder: print(decoder._process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(django_settings.BASE_DIR)],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        stdout=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    # Its pipe, and with it ours, is closed as soon as it has exited.
    wait_until(lambda: not is_running(int(run.stdout)))


def wait_until(is_so: Callable[[], bool]) -> None:
    done = threading.Event()
    for _ in range(1_000):
        if is_so():
            return
        done.wait(0.01)
    raise AssertionError("That has not come to be in 10 s.")


def is_running(process: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.django_db
def test_an_uploaded_picture_is_stored_unchanged() -> None:
    data = pictures.photo()
    image = add_picture(BytesIO(data), Details(), None).image

    assert storage.read(storage.original_key(image.id)) == data
    assert image.byte_size == len(data)
