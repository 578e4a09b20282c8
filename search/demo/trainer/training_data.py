"""Training data: drawings, captions, and the attributes that determine which match."""

from __future__ import annotations

import random
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from imagesearch.memory_and_cores import core_count
from search.demo.captions import LANGUAGES, caption
from search.demo.drawing import arrange, draw
from search.demo.scenes import (
    BACKGROUNDS,
    COLOURS,
    COUNTS,
    PLACES,
    SHAPES,
    SIZES,
    Scene,
    Statement,
    is_unseen,
    random_scene,
    random_statement,
)

PIXELS = 96  # the side of what the model sees
_DRAWN = 192  # longer side of training drawings, larger so that downscaling smooths as for real pictures

_ATTRIBUTES: tuple[tuple[object, ...], ...] = (SHAPES, COLOURS, COUNTS, SIZES, PLACES, BACKGROUNDS)
CLASSES = tuple(len(values) for values in _ATTRIBUTES)
PLACE = 4  # index of the place in an attribute row
NOTHING = -1  # this attribute isn't stated
NONSENSE = -2  # no picture matches this caption

# First and last letter and the longest word: Hangul, ideographs, hiragana, katakana.
_SCRIPTS = ((0xAC00, 0xD7A3, 3), (0x4E00, 0x9FA5, 3), (0x3042, 0x3093, 4), (0x30A2, 0x30F3, 5))

Pixels = npt.NDArray[np.uint8]
Attributes = npt.NDArray[np.int64]


def attributes_of(content: Scene | Statement) -> list[int]:
    """Return the six attributes as indexes in their lists, `NOTHING` for what isn't stated."""
    values = (content.shape, content.colour, content.count, content.size, content.place, content.background)
    return [NOTHING if value is None else known.index(value) for value, known in zip(values, _ATTRIBUTES, strict=True)]


def seen_scenes(count: int, rng: random.Random) -> list[Scene]:
    """Return scenes of the training combinations, each combination equally often."""
    kept = [(colour, shape) for shape in SHAPES for colour in COLOURS if not is_unseen(colour, shape)]
    return [random_scene(rng, *kept[number % len(kept)]) for number in range(count)]


def as_seen_by_the_model(picture: Image.Image) -> Image.Image:
    """Return the picture as preprocessed by CLIP: the shorter side scaled to `PIXELS`, cropped to the central
    square."""
    scale = PIXELS / min(picture.size)
    width, height = (max(PIXELS, int(length * scale)) for length in picture.size)
    left, top = (width - PIXELS) // 2, (height - PIXELS) // 2
    resized = picture.resize((width, height), Image.Resampling.BICUBIC)
    return resized.crop((left, top, left + PIXELS, top + PIXELS))


def _draw_one(job: tuple[Scene, int]) -> bytes:
    scene, seed = job
    return as_seen_by_the_model(draw(scene, seed, _DRAWN)).tobytes()


def draw_all(scenes: Sequence[Scene], first_seed: int) -> Pixels:
    """Return the drawings, shape (len(scenes), PIXELS, PIXELS, 3), drawn on all cores."""
    jobs = [(scene, first_seed + number) for number, scene in enumerate(scenes)]
    with ProcessPoolExecutor(core_count()) as pool:
        raw = b"".join(pool.map(_draw_one, jobs, chunksize=64))
    return np.frombuffer(raw, dtype=np.uint8).reshape(len(scenes), PIXELS, PIXELS, 3)


def spots(scenes: Sequence[Scene], first_seed: int) -> npt.NDArray[np.float32]:
    """Where the shapes of the drawings are, shape (len(scenes), 5, 3): x, y and radius in the model's pixels.

    Rows without a shape lie far outside.
    """
    found = np.full((len(scenes), 5, 3), -1000.0, dtype=np.float32)
    for number, scene in enumerate(scenes):
        plan = arrange(scene, first_seed + number)
        found[number, : scene.count] = [(x * PIXELS, y * PIXELS, plan.radius * PIXELS) for x, y in plan.centres]
    return found


def sample_captions(scenes: Sequence[Scene], count: int, rng: random.Random) -> tuple[list[str], Attributes]:
    """Captions in all languages, each true of one of the scenes at least, and what they state, shape (count, 6).

    One in eight is nonsense and states `NONSENSE`; some sensible ones hold a word that the world doesn't know.
    """
    texts: list[str] = []
    stated: list[list[int]] = []
    for number in range(count):
        if number % 8 == 0:
            texts.append(" ".join(nonsense_word(rng) for _ in range(rng.choice((1, 1, 1, 2, 3)))))
            stated.append([NONSENSE] * len(CLASSES))
            continue
        statement = random_statement(rng.choice(scenes), rng)
        text = caption(rng.choice(LANGUAGES), statement, rng)
        if rng.random() < 0.05:
            text = f"{nonsense_word(rng)} {text}"
        texts.append(text)
        stated.append(attributes_of(statement))
    return texts, np.array(stated, dtype=np.int64)


def sensible_captions(scenes: Sequence[Scene], count: int, rng: random.Random) -> list[str]:
    """Return captions for training the tokenizer: all of them make sense."""
    return [caption(rng.choice(LANGUAGES), random_statement(rng.choice(scenes), rng), rng) for _ in range(count)]


def nonsense_word(rng: random.Random) -> str:
    """Return a word of no language: parts of known words, syllables, or random letters of a script."""
    kind = rng.random()
    if kind < 0.5:
        return _crossed(rng)
    if kind < 0.65:
        syllables = (rng.choice("bcdfghjklmnprstvwz") + rng.choice("aeiou") for _ in range(rng.randint(1, 3)))
        return "".join(syllables) + rng.choice(("", "", "n", "r", "s", "t", "l", "g", "rd", "ck"))
    if kind < 0.75:
        return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(2, 9)))
    low, high, longest = rng.choice(_SCRIPTS)
    return "".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, longest)))


def _crossed(rng: random.Random) -> str:
    """A new word made of familiar pieces: halves of two known words, or bits of several.

    Without these, unknown Korean words, whose syllables are all familiar, would be taken for something.
    """
    latin = rng.random() < 0.4
    words = _known_words()[latin]
    while True:
        if rng.random() < 0.4:
            first, last = rng.choice(words), rng.choice(words)
            word = first[: rng.randint(1, max(1, len(first) // 2))] + last[-rng.randint(1, max(1, len(last) // 2)) :]
        else:
            word = "".join(_bit(rng.choice(words), 3 if latin else 1, rng) for _ in range(rng.randint(2, 4)))
        if not any(known in word for known in words):
            return word


def _bit(word: str, longest: int, rng: random.Random) -> str:
    """Return up to `longest` letters from a random position in the word."""
    start = rng.randrange(len(word))
    return word[start : start + rng.randint(1, longest)]


@cache
def _known_words() -> dict[bool, list[str]]:
    """The words of two letters and more in the captions: under True those in Latin letters, under False in Hangul."""
    rng = random.Random(0)
    texts = sensible_captions([random_scene(rng) for _ in range(2_000)], 12_000, rng)
    words = sorted({word for text in texts for word in text.lower().split() if word.isalpha() and len(word) > 1})
    return {
        True: [word for word in words if word[0] < "\u0250"],
        False: [word for word in words if "\uac00" <= word[0] <= "\ud7a3"],
    }
