"""Files for the misbehaving decoder, and a pool of such decoders."""

from collections.abc import Iterator
from io import BytesIO

import pytest
from PIL import Image

from search.decoding.decoder_pool import pool
from search.decoding.task_runner import fatal_files


def marked(mark: bytes, colour: str = "navy") -> bytes:
    """A harmless JPEG that makes the decoder of the tests misbehave as `mark` says."""
    file = BytesIO()
    Image.new("RGB", (64, 48), colour).save(file, "JPEG", comment=mark)
    return file.getvalue()


@pytest.fixture
def bad_decoder(settings) -> Iterator[None]:
    """Decode in the processes of `tests.bad_decoder`."""
    pool().close()
    settings.DECODER = "tests.bad_decoder"
    yield
    pool().close()
    fatal_files.forget()
