"""Evaluation of saved models as they are used: files in, vectors out."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from search.demo.captions import LANGUAGES, Language, caption
from search.demo.drawing import draw
from search.demo.scenes import Colour, Scene, Shape, Statement, is_unseen, pairs, random_scene

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Gallery:
    """New drawings, their scenes, and their unit vectors, shape (pictures, dimensions)."""

    scenes: list[Scene]
    pictures: list[Image.Image]
    vectors: Vectors


def load(folder: Path) -> SentenceTransformer:
    """Return the saved model, on the CPU. OSError or ValueError if the folder doesn't hold one."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu")


def hang_gallery(
    model: SentenceTransformer, seed: int, unseen: int = 12, seen: int = 12, long_side: int = 320
) -> Gallery:
    """Draw that many pictures of each combination, never seen in training or seen, and encode them."""
    rng = random.Random(seed)
    scenes = [
        random_scene(rng, colour, shape)
        for colour, shape in pairs()
        for _ in range(unseen if is_unseen(colour, shape) else seen)
    ]
    pictures = [draw(scene, seed * 1_000_003 + number, long_side) for number, scene in enumerate(scenes)]
    return Gallery(scenes, pictures, encode(model, pictures))


def encode(model: SentenceTransformer, inputs: Sequence[Image.Image] | Sequence[str]) -> Vectors:
    """Unit vectors, float32, in the order given."""
    # A plain string that names a picture would be taken for that.
    asked = [{"text": one} if isinstance(one, str) else one for one in inputs]
    vectors = model.encode(asked, batch_size=64, normalize_embeddings=True, show_progress_bar=False)
    return np.asarray(vectors, dtype=np.float32)


def precision_at(
    k: int,
    text_model: SentenceTransformer,
    gallery: Gallery,
    language: Language,
    asked: Iterable[tuple[Colour, Shape]],
) -> float:
    """Return the fraction of correct pictures among the first `k` for "colour shape", averaged over the
    combinations."""
    statements = [Statement(shape=shape, colour=colour) for colour, shape in asked]
    queries = encode(text_model, [caption(language, statement) for statement in statements])
    order = np.argsort(-(queries @ gallery.vectors.T), axis=1)[:, :k]
    hits = [
        statement.holds(gallery.scenes[index])
        for statement, row in zip(statements, order, strict=True)
        for index in row
    ]
    return float(np.mean(hits))


def precision_by_language(text_model: SentenceTransformer, gallery: Gallery, *, unseen: bool) -> dict[Language, float]:
    """Return precision@10 by language, over the combinations seen in training or the others."""
    asked = [pair for pair in pairs() if is_unseen(*pair) == unseen]
    return {language: round(precision_at(10, text_model, gallery, language, asked), 3) for language in LANGUAGES}


def mean_cosines(text_model: SentenceTransformer, gallery: Gallery) -> tuple[float, float]:
    """Return the mean cosine of "colour shape", in all languages, with pictures of both, and with pictures of
    neither."""
    true: list[float] = []
    unrelated: list[float] = []
    for language in LANGUAGES:
        queries = encode(
            text_model, [caption(language, Statement(shape=shape, colour=colour)) for colour, shape in pairs()]
        )
        for (colour, shape), row in zip(pairs(), queries @ gallery.vectors.T, strict=True):
            for scene, cosine in zip(gallery.scenes, row.tolist(), strict=True):
                if scene.colour == colour and scene.shape == shape:
                    true.append(cosine)
                elif scene.colour != colour and scene.shape != shape:
                    unrelated.append(cosine)
    return float(np.mean(true)), float(np.mean(unrelated))


def copies_found(image_model: SentenceTransformer, gallery: Gallery, every: int = 10) -> float:
    """Return the fraction of half-size JPEG copies whose nearest picture is their original."""
    originals = range(0, len(gallery.pictures), every)
    copies = encode(image_model, [half_size_jpeg(gallery.pictures[index]) for index in originals])
    nearest = (copies @ gallery.vectors.T).argmax(1)
    return float(np.mean(nearest == np.array(originals)))


def half_size_jpeg(picture: Image.Image) -> Image.Image:
    """Return the picture at half its width and height, recompressed as JPEG."""
    file = BytesIO()
    picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS).save(file, "JPEG", quality=85)
    file.seek(0)
    with Image.open(file) as copy:
        return copy.convert("RGB")
