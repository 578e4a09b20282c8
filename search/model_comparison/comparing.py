"""Compare two models on one labelled set: with the collection's vectors of both, or with files encoded for it."""

import random
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np

from imagesearch.memory_and_cores import core_count
from search.decoding import NoDecoder, Seen
from search.embedding import Pair, encoders_of, forget
from search.imaging import UnreadableImage
from search.indexing.ranks_of_judged_pictures import Chunk, Ints, ranks
from search.indexing.vector_set_search import chunks, common_pictures, vectors_of
from search.ingestion.adding import read_for_model
from search.ingestion.pipeline.window_vectors import encode_seen
from search.model_comparison.labelled import Labelled
from search.model_comparison.pairs import ComparedSet, names_of, require_dimensions
from search.model_comparison.ranking_metrics import DEPTH, Floats, Graded, Verdict, compared, query_figures
from search.model_comparison.resolving import in_collection, in_folders
from search.models import Image
from search.models.vector_values import Vectors

ALL = "all together"
"""The key of all languages together."""
BATCH = 32
Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with what is being done, how much is done, and the total."""


class NothingToMeasure(Exception):
    """No query of the labelled set has a matching picture here. The message is for the operator."""


@dataclass
class Comparison:
    """The result: `verdicts` by language, ALL last if there are several.

    `pictures` is the number searched, `without` how many more are visible, and `judged` the mean share, for each
    model, of graded pictures among the first ten results; ungraded ones count as not matching.
    """

    names: tuple[str, str]
    pictures: int
    verdicts: dict[str, Verdict]
    judged: tuple[float, float]
    problems: list[tuple[str, str]] = field(default_factory=list)
    left_out: int = 0
    without: int = 0


@dataclass(frozen=True)
class Task:
    """Queries and their graded pictures, as flat lists. Each query has a matching picture."""

    texts: Sequence[str]
    languages: Sequence[str]
    graded: Graded
    pictures: Sequence[Hashable]
    left_out: int

    @classmethod
    def of(cls, labelled: Labelled, meant: Mapping[str, Hashable], most: int | None = None) -> "Task":
        """Return the usable queries, given which pictures the names mean; at most `most` per language, drawn at random
        with a fixed seed. Raises NothingToMeasure."""
        asked: dict[str, list[tuple[str, dict[Hashable, int]]]] = {}
        for (text, language), names in labelled.queries.items():
            grades: dict[Hashable, int] = {}
            for name, grade in names.items():
                if name in meant:
                    grades[meant[name]] = max(grade, grades.get(meant[name], 0))
            if any(grades.values()):
                asked.setdefault(language, []).append((text, grades))
        left_out = len(labelled.queries) - sum(map(len, asked.values()))
        if not asked:
            raise NothingToMeasure(f"No query of {labelled.name} has a matching picture here.")
        draw = random.Random(0)  # noqa: S311 - no secret
        if most:
            asked = {name: draw.sample(own, min(most, len(own))) for name, own in sorted(asked.items())}
        chosen = [(language, *one) for language, own in sorted(asked.items()) for one in own]
        owners = [number for number, (_, _, grades) in enumerate(chosen) for _ in grades]
        given = [said for _, _, grades in chosen for said in grades.values()]
        return cls(
            texts=[text for _, text, _ in chosen],
            languages=[language for language, _, _ in chosen],
            graded=Graded(np.array(owners, dtype=np.int64), np.array(given, dtype=np.int64)),
            pictures=[picture for _, _, grades in chosen for picture in grades],
            left_out=left_out,
        )


def compare_sets(
    labelled: Labelled,
    first: ComparedSet,
    second: ComparedSet,
    *,
    folders: Sequence[Path] = (),
    most: int | None = None,
    progress: Progress = lambda doing, done, total: None,
) -> Comparison:
    """Compare the vector sets of two models on visible pictures with vectors in both.

    Raises NothingToMeasure, ModelUnavailable and WrongVectors.
    """
    meant, reasons = in_collection(labelled.named, folders)
    pieces = common_pictures(first.table, second.table)
    pool = {image_id for ids in pieces for image_id in ids}
    for name in [name for name, image_id in meant.items() if image_id not in pool]:
        del meant[name]
        reasons[name] = "This picture is hidden, or has no vector of both models."
    task = Task.of(labelled, meant, most)
    found: list[Ints] = []
    for one in (first, second):
        assert one.pair
        texts = encoded_texts(one.pair, task.texts, one.table.dimensions, progress)
        known = vectors_of(one.table, list(set(task.pictures)))  # type: ignore[arg-type] # ids, of a collection
        pieces_seen = _counted(chunks(one.table, pieces), f"{one.name}: pictures", len(pool), progress)
        found.append(ranks(pieces_seen, texts, task.graded.query, task.pictures, known))
    comparison = _comparison(names_of(first, second), labelled, task, found, len(pool), reasons)
    comparison.without = max(0, Image.objects.shown().count() - len(pool))
    return comparison


def compare_files(
    labelled: Labelled,
    first: Pair,
    second: Pair,
    folders: Sequence[Path],
    *,
    most: int | None = None,
    progress: Progress = lambda doing, done, total: None,
) -> Comparison:
    """Compare two models on the files of a labelled set. The collection is not used.

    Raises NothingToMeasure, ModelUnavailable, WrongVectors and NoDecoder.
    """
    meant, reasons = in_folders(labelled.named, folders)
    # By file: two names may mean the same one.
    files = sorted(set(meant.values()))
    encoded: list[dict[Path, Vectors]] = []
    broken: dict[Path, str] = {}
    for pair in (first, second):
        encoded.append(_encoded_files(pair, files, broken, progress))
        files = list(encoded[-1])
        if pair.image != pair.text:
            forget(pair.image)  # two large models might not fit into memory
    for name in [name for name, path in meant.items() if path in broken]:
        reasons[name] = broken[meant.pop(name)]
    task = Task.of(labelled, meant, most)
    found: list[Ints] = []
    for pair, vectors in zip((first, second), encoded, strict=True):
        own = {path: vectors[path] for path in files}
        pool = Chunk.of(own)
        texts = encoded_texts(pair, task.texts, pool.vectors.shape[1], progress)
        found.append(ranks([pool], texts, task.graded.query, task.pictures, own))
    one, other = encoders_of(*first), encoders_of(*second)
    names = (one.model, other.model)
    if one.model == other.model:
        names = (f"{one.model}, {first.text}", f"{other.model}, {second.text}")
    return _comparison(names, labelled, task, found, len(files), reasons)


def encoded_texts(pair: Pair, texts: Sequence[str], dimensions: int, progress: Progress) -> Vectors:
    """Return the vectors of texts by the pair's text model, with as many `dimensions` as its pictures.

    Raises ModelUnavailable and WrongVectors.
    """
    encoder = encoders_of(*pair).texts()
    require_dimensions(pair.text, encoder.dimensions, dimensions)
    parts = []
    for start in range(0, len(texts), BATCH):
        parts.append(encoder.encode_texts(texts[start : start + BATCH]))
        progress(f"{pair.text}: queries", min(start + BATCH, len(texts)), len(texts))
    return np.concatenate(parts)


def _encoded_files(
    pair: Pair, files: Sequence[Path], broken: dict[Path, str], progress: Progress
) -> dict[Path, Vectors]:
    """Return the vectors of readable files, each of shape (1 + windows, dimensions), as the collection would have
    them; the reasons for others go to `broken`."""
    encoder = encoders_of(*pair).pictures()
    vectors: dict[Path, Vectors] = {}
    with ThreadPoolExecutor(core_count(), thread_name_prefix="reading") as pool:
        for start in range(0, len(files), BATCH):
            batch = files[start : start + BATCH]
            read = dict(zip(batch, pool.map(lambda path: _read(path, encoder.window), batch), strict=True))
            broken |= {path: one for path, one in read.items() if isinstance(one, str)}
            seen = {path: one for path, one in read.items() if not isinstance(one, str)}
            for path, one in zip(seen, encode_seen(encoder, list(seen.values())), strict=True):
                vectors[path] = np.stack([one.whole, *one.windows])
            progress(f"{pair.image}: pictures", min(start + BATCH, len(files)), len(files))
    return vectors


def _read(path: Path, window: Sequence[int] | None) -> Seen | str:
    """Return the model's input for a file, as for one of the collection; or why it can't be read."""
    try:
        return read_for_model(path.read_bytes(), window)
    except NoDecoder:
        raise
    except (OSError, UnreadableImage) as error:
        return str(error)


def _counted(pieces: Iterable[Chunk], doing: str, total: int, progress: Progress) -> Iterator[Chunk]:
    done = 0
    for piece in pieces:
        yield piece
        done += len(piece.keys)
        progress(doing, done, total)


def _comparison(
    names: tuple[str, str],
    labelled: Labelled,
    task: Task,
    found: Sequence[Ints],
    pictures: int,
    reasons: Mapping[str, str],
) -> Comparison:
    count = len(task.texts)
    first, second = (query_figures(task.graded, own, count) for own in found)
    problems = [*labelled.problems, *((labelled.named[name], f"{name}: {why}") for name, why in reasons.items())]
    shares = [float((own <= DEPTH).sum() / (min(DEPTH, pictures) * count)) for own in found]
    verdicts = _by_language(task.languages, first, second)
    return Comparison(names, pictures, verdicts, (shares[0], shares[1]), problems, task.left_out)


def _by_language(languages: Sequence[str], first: Floats, second: Floats) -> dict[str, Verdict]:
    names = np.array(languages)
    verdicts = {str(one): compared(first[names == one], second[names == one]) for one in sorted(set(languages))}
    if len(verdicts) > 1:
        verdicts[ALL] = compared(first, second)
    return verdicts
