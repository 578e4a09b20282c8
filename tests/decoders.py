"""Files for the decoder of the tests, and a pool of such decoders."""

from collections.abc import Iterator
from io import BytesIO

import pytest
from PIL import Image

from search.decoding.decoder_pool import pool
from search.decoding.task_runner import fatal_files


def marked(mark: bytes, colour: str = "navy") -> bytes:
    """A harmless JPEG, over which the decoder of the tests misbehaves as `mark` says."""
    file = BytesIO()
    Image.new("RGB", (64, 48), colour).save(file, "JPEG", comment=mark)
    return file.getvalue()


@pytest.fixture
def bad_decoder(settings) -> Iterator[None]:
    """Decoders are those of the tests, in this process."""
    pool().close()
    settings.DECODER = "tests.bad_decoder"
    yield
    pool().close()
    fatal_files.forget()
