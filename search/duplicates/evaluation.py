"""Evaluate duplicate detection on altered copies of photos: precision and recall."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from time import process_time

import numpy as np
from PIL import Image

from search.duplicates import keypoint_matching
from search.duplicates.alterations import ALTERATIONS, Picture, burst
from search.duplicates.detection import NEAREST
from search.duplicates.duplicate_thresholds import is_same_by_hash
from search.duplicates.pair_classification import Candidate, Judge
from search.duplicates.thumbnail_features import seen
from search.embedding import picture_encoder
from search.imaging.perceptual_hash import perceptual_hash
from search.imaging.thumbnails import greys, thumbnail
from search.objects import storage

ORIGINAL = "original"
BURSTS = 50


@dataclass
class Pictures:
    """Thumbnails, the origin of each, and how it was made: two are the same picture if their origins are equal."""

    shown: list[Picture] = field(default_factory=list)
    origins: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)

    def add(self, picture: Picture, origin: str, kind: str = ORIGINAL) -> None:
        kept = Image.open(BytesIO(thumbnail(picture, storage.THUMBNAIL))).convert("RGB")
        self.shown.append(kept)
        self.origins.append(origin)
        self.kinds.append(kind)


def altered_pictures(folder: Path, altered: int, others: int) -> Pictures:
    """Return `altered` photos of a folder with altered copies, `others` without, and bursts made from some of these.

    Raises OSError, and ValueError if the folder has too few.
    """
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"})
    random.Random(0).shuffle(files)  # noqa: S311 - a fixed seed
    files = files[: altered + others]
    if len(files) < 2:
        raise ValueError(f"{folder} has fewer than two pictures.")
    made = Pictures()
    for number, path in enumerate(files):
        picture = Image.open(path).convert("RGB")
        made.add(picture, path.name)
        if number < altered:
            for kind, alter in ALTERATIONS.items():
                made.add(alter(picture), path.name, kind)
        elif number < altered + BURSTS:
            subject = Image.open(files[-1 - number % altered]).convert("RGB")
            for shot, frame in enumerate(burst(picture, subject)):
                made.add(frame, f"{path.name} {shot}", "burst")
    return made


def evaluate(pictures: Pictures) -> Iterator[str]:
    """Yield lines with precision, recall by kind, and processor time."""
    began = process_time()
    hashes = [perceptual_hash(greys(picture)) for picture in pictures.shown]
    hashed = process_time()
    yield from precision_and_recall(pictures, set(_accepted(pictures, hashes)))
    count = len(pictures.shown)
    yield (
        f"Processor time: {(hashed - began) / count * 1000:.2f} ms a hash, "
        f"{(process_time() - hashed) / count * 1000:.1f} ms a picture for vectors and comparing."
    )


def precision_and_recall(pictures: Pictures, accepted: AbstractSet[tuple[int, int]]) -> Iterator[str]:
    """Yield lines about the `accepted` pairs (indices, smaller first). Recall is that of originals with their
    copies."""
    right = sum(pictures.origins[one] == pictures.origins[other] for one, other in accepted)
    wrong = [(one, other) for one, other in accepted if pictures.origins[one] != pictures.origins[other]]
    bursts = sum(pictures.kinds[one] == pictures.kinds[other] == "burst" for one, other in wrong)
    yield (
        f"{len(pictures.shown):,} pictures, {len(accepted):,} pairs called the same: precision "
        f"{right / max(1, len(accepted)):.4f} ({len(wrong)} wrong, {bursts} of them shots of one burst)"
    )
    originals = {
        origin: place
        for place, (origin, kind) in enumerate(zip(pictures.origins, pictures.kinds, strict=True))
        if kind == ORIGINAL
    }
    there: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for place, (origin, kind) in enumerate(zip(pictures.origins, pictures.kinds, strict=True)):
        if kind in ALTERATIONS:
            there[kind] += 1
            found[kind] += (min(place, originals[origin]), max(place, originals[origin])) in accepted
    for kind in there:
        yield f"{kind:18}{found[kind] / there[kind]:8.1%}"
    yield f"{'all':18}{found.total() / max(1, there.total()):8.1%}"


def _accepted(pictures: Pictures, hashes: Sequence[int | None]) -> Iterator[tuple[int, int]]:
    """Yield the pairs, as indices, that `manage.py find_duplicates` would write: from similar hashes and nearest
    neighbours."""
    judge = Judge(cache(lambda place: seen(pictures.shown[place])), has_points=keypoint_matching.is_there())
    known: set[tuple[int, int]] = set()
    for one in _candidates(pictures, hashes):
        if one.key not in known:
            known.add(one.key)
            verdict = judge.judged(one)
            if verdict and verdict.is_same:
                yield one.key


def _candidates(pictures: Pictures, hashes: Sequence[int | None]) -> Iterator[Candidate]:
    vectors = picture_encoder().encode_pictures(pictures.shown)
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -1)
    for place, scores in enumerate(similarity):
        alike = (Candidate(place, other, None, (hashes[place], theirs)) for other, theirs in enumerate(hashes))
        yield from (one for one in alike if one.other != place and is_same_by_hash(one.bits))
        for other in np.argsort(-scores)[:NEAREST].tolist():
            yield Candidate(place, other, float(scores[other]), (hashes[place], hashes[other]))
