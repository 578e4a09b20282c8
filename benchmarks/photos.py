"""Synthetic photos: gradients, shapes of all sizes and grain, so that their JPEG files are as large as a camera's."""

import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

_ROUGHNESS = 0.64, 0.76
"""Amplitude of each scale relative to the one of twice its size, from a hazy photo to one of gravel."""


@dataclass(frozen=True)
class Size:
    name: str
    width: int
    height: int
    quality: int


LARGE = Size("large", 1600, 1200, 88)
SMALL = Size("small", 640, 480, 88)


def photos(cache: Path, size: Size, count: int) -> list[Path]:
    """Return the files of `count` different photos, made if they don't exist yet."""
    folder = cache / f"photos-{size.width}x{size.height}-{count}"
    if not folder.is_dir():
        draft = folder.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        # In spawned processes that import no model.
        with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
            for _ in pool.map(partial(_save, draft, size), range(count), chunksize=8):
                pass
        draft.rename(folder)
    return sorted(folder.iterdir())


def _save(folder: Path, size: Size, seed: int) -> None:
    picture = _photo(np.random.default_rng([size.width, seed]), size)
    picture.save(folder / f"{seed:04}.jpg", quality=size.quality)


def _photo(rng: np.random.Generator, size: Size) -> Image.Image:
    scene = rng.uniform(-1, 1, (3, 3, 4)).astype(np.float32)
    strength, roughness = 0.5, rng.uniform(*_ROUGHNESS)
    while scene.shape[2] < size.width:
        height, width = min(size.height, 2 * scene.shape[1]), min(size.width, 2 * scene.shape[2])
        strength *= roughness
        light = rng.standard_normal((height, width), dtype=np.float32)
        # Photos vary more in lightness than in colour.
        scene = np.stack([_enlarged(channel, width, height) for channel in scene]) + strength * light
        scene[rng.integers(3)] += 0.3 * strength * rng.standard_normal((height, width), dtype=np.float32)
    pixels = (127.5 * (1 + np.tanh(0.7 * scene))).astype(np.uint8)
    return Image.fromarray(np.moveaxis(pixels, 0, 2))


def _enlarged(channel: npt.NDArray[np.float32], width: int, height: int) -> npt.NDArray[np.float32]:
    return np.asarray(Image.fromarray(channel).resize((width, height), Image.Resampling.BICUBIC))
