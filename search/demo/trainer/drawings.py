"""The drawings that the model is trained on, cached, in augmented batches."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from search.demo.scenes import PLACES, Scene
from search.demo.trainer.training_data import PIXELS, PLACE, Attributes, attributes_of, draw_all, seen_scenes, spots

PATCH = 24  # pixels, the cells that drawing.py puts shapes into

# OpenAI's CLIP normalisation, what CLIPImageProcessor does by default.
_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
_STD = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)

_MIRRORED = np.array([PLACES.index({"left": "right", "right": "left"}.get(place, place)) for place in PLACES])
_REACH = 2  # maximum shift of a picture in pixels

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures ready for the model, shape (size, 3, PIXELS, PIXELS), and their labels."""

    scenes: list[Scene]
    pixels: Floats
    shown: Attributes  # shape (size, 6)
    covered: npt.NDArray[np.bool_]  # see covered_patches


class Drawings:
    """Drawings of the combinations seen in training; the same seed yields the same batches."""

    def __init__(self, count: int, seed: int) -> None:
        self._rng = random.Random(seed)
        self._noise = np.random.default_rng(seed)
        self.scenes: list[Scene] = seen_scenes(count, self._rng)
        self._pixels = draw_all(self.scenes, seed * 1_000_000)
        self._spots = spots(self.scenes, seed * 1_000_000)
        self._attributes = np.array([attributes_of(scene) for scene in self.scenes])
        self._order: list[int] = []

    def sample(self, size: int) -> Floats:
        """Return some of the pictures without augmentation, ready for the model."""
        return _ready(_floats(self._pixels[:size]))

    def batch(self, size: int) -> Batch:
        """Return the next pictures, each drawing once per epoch; half of the batches are mirrored."""
        if len(self._order) < size:
            self._order = self._rng.sample(range(len(self.scenes)), len(self.scenes))
        chosen = [self._order.pop() for _ in range(size)]
        pixels, shown, where = self._pixels[chosen], self._attributes[chosen], self._spots[chosen]
        if self._rng.random() < 0.5:
            pixels = pixels[:, :, ::-1]
            shown[:, PLACE] = _MIRRORED[shown[:, PLACE]]
            where[:, :, 0] = PIXELS - where[:, :, 0]
        moved, where = self._moved(pixels, where)
        places = (PLACES[place] for place in shown[:, PLACE])
        scenes = [replace(self.scenes[index], place=place) for index, place in zip(chosen, places, strict=True)]
        return Batch(scenes, _ready(self._lit(moved)), shown, covered_patches(where))

    def _moved(self, pixels: npt.NDArray[np.uint8], where: Floats) -> tuple[Floats, Floats]:
        """Return each picture shifted by a pixel or two, values from 0 to 1, and the positions of shapes shifted with
        it."""
        edge = (_REACH, _REACH)
        padded = np.pad(pixels, ((0, 0), edge, edge, (0, 0)), mode="reflect")
        moves = self._noise.integers(0, 2 * _REACH + 1, size=(len(pixels), 2))
        cut = [picture[y : y + PIXELS, x : x + PIXELS] for picture, (x, y) in zip(padded, moves, strict=True)]
        where[:, :, :2] += _REACH - moves[:, None, :]
        return _floats(np.stack(cut)), where

    def _lit(self, pixels: Floats) -> Floats:
        """Return each picture slightly lighter or darker, with noise as of JPEG."""
        light = self._noise.uniform(0.96, 1.04, size=(len(pixels), 1, 1, 1)).astype(np.float32)
        grain = self._noise.standard_normal(pixels.shape, dtype=np.float32)
        lit: Floats = np.clip(pixels * light + np.float32(0.01) * grain, 0, 1)
        return lit


def _floats(pixels: npt.NDArray[np.uint8]) -> Floats:
    """From 0..255 to 0..1."""
    return np.divide(pixels, 255, dtype=np.float32)


def _ready(pixels: Floats) -> Floats:
    """Channels from 0..1 to what CLIP expects, and first."""
    return np.ascontiguousarray(((pixels - _MEAN) / _STD).transpose(0, 3, 1, 2))


def covered_patches(where: Floats) -> npt.NDArray[np.bool_]:
    """Which patches are inside a shape and which hold a shape's centre, shape (pictures, patches, 2).

    `where` holds x, y and radius of up to five shapes in pixels, shape (pictures, 5, 3).
    """
    rows, columns = np.divmod(np.arange((PIXELS // PATCH) ** 2), PIXELS // PATCH)
    middles = (np.stack([columns, rows], axis=-1)[None, :, None, :] + 0.5) * PATCH
    away = np.abs(middles - where[:, None, :, :2])
    central = (away <= PATCH / 2).all(-1)
    inside = central | (np.hypot(away[..., 0], away[..., 1]) < where[:, None, :, 2] * 0.9)
    covered: npt.NDArray[np.bool_] = np.stack([inside.any(-1), central.any(-1)], axis=-1)
    return covered
