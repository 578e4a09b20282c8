"""The share of perceptual hashes in ingestion's processor time.

`python -m benchmarks.hashes [--photos 60]`: a decoder process's work on a photo of 1600x1200 pixels, with and without
the input of the hash, in turns, and the hash itself; and encoding, by a model of the shape of ViT-B/32 in torch.
Reading, storing and rows, which ingestion does too, are left out: the true share is smaller.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.benchmark_environment import make_world
from benchmarks.photos import LARGE, photos
from benchmarks.report import table

_PARTS = ["colours", "hash", "copy", "written", "pixels"]


def _took(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return milliseconds of processor time, of all threads, and the result."""
    before = time.process_time()
    made = work()
    return 1000 * (time.process_time() - before), made


def measure(files: list[Path]) -> tuple[float, float, float]:
    """Return the median milliseconds a photo: without a hash, added by the hash, and of encoding."""
    from PIL import Image  # noqa: PLC0415

    from search.decoding.decoder_client import MODEL_SIDE  # noqa: PLC0415
    from search.embedding import picture_encoder  # noqa: PLC0415
    from search.imaging.decoder_tasks import picture  # noqa: PLC0415
    from search.imaging.perceptual_hash import perceptual_hash  # noqa: PLC0415
    from search.objects import storage  # noqa: PLC0415 - after make_world

    longest = storage.THUMBNAIL
    plain: list[float] = []
    added: list[float] = []
    pixels = []
    for number, path in enumerate(files):
        data = path.read_bytes()

        def made(parts: list[str], data: bytes = data) -> Any:
            return picture(
                data, 1 << 30, max_pixels=10**8, at_least=MODEL_SIDE, longer_at_least=longest, longest=longest,
                copy=longest, parts=parts,
            )  # fmt: skip

        def hashed(made: Callable[[list[str]], Any] = made) -> Any:
            answer = made(["greys", *_PARTS])
            perceptual_hash(answer[1][0])
            return answer

        turns = {True: hashed, False: lambda made=made: made(_PARTS)}
        took = {}
        for with_hash in (number % 2 == 0, number % 2 == 1):
            took[with_hash], answer = _took(turns[with_hash])
        plain.append(took[False])
        added.append(took[True] - took[False])
        pixels.append(Image.frombytes("RGB", answer[0]["size"], answer[1][-1]))
    encoder = picture_encoder()
    encoder.encode_pictures(pixels[:8])
    encoding, _vectors = _took(lambda: encoder.encode_pictures(pixels))
    return median(plain), median(added), encoding / len(pixels)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hashes", description=__doc__)
    parser.add_argument("--photos", type=int, default=60)
    options = parser.parse_args()
    world = make_world()
    import django  # noqa: PLC0415 - after make_world

    django.setup()
    plain, added, encoding = measure(photos(world.cache, LARGE, options.photos))
    share = added / (plain + added + encoding)
    row = [f"{plain:.1f}", f"{added:.2f}", f"{encoding:.1f}", f"{share:.1%}"]
    print(table(["decoding, thumbnail, colours: ms", "hash: ms", "encoding: ms", "hash's share"], [row]))


if __name__ == "__main__":
    main()
