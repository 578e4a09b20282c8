"""`python -m benchmarks.map [PICTURES ...]`: the cost of building the map, without a database."""

import os
import resource
import subprocess
import sys
import time

import numpy as np
import numpy.typing as npt

TOPICS = 300


def mixture(count: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Unit vectors like a model's: topics of very different sizes, related to each other and anisotropic; and the
    topic of each."""
    rng = np.random.default_rng(1)
    wide = rng.normal(size=(20, 512))
    middles = 0.7 * wide[rng.integers(0, 20, TOPICS)] + 0.7 * rng.normal(size=(TOPICS, 512))
    topics = rng.choice(TOPICS, count, p=rng.dirichlet(np.full(TOPICS, 0.5)))
    vectors = middles[topics] + 0.12 * rng.normal(size=(count, 40)) @ rng.normal(size=(40, 512))
    vectors += 0.25 * rng.normal(size=(count, 512))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), topics


def measured(count: int) -> str:
    from search.mapping.clustering import grouped  # noqa: PLC0415 - after Django
    from search.mapping.layout import positions_of  # noqa: PLC0415

    vectors, topics = mixture(count)
    began = time.process_time()
    positions = positions_of(vectors, lambda done: False)
    assert positions is not None
    drawn = time.process_time()
    labels, middles = grouped(positions)
    groups = time.process_time()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return (
        f"| {count:,} | {drawn - began:,.0f} s | {groups - drawn:.1f} s | {memory:.1f} GB | {len(middles)} |"
        f" {_of_one_topic(labels, topics):.0%} |"
    )


def _of_one_topic(labels: npt.NDArray[np.int64], topics: npt.NDArray[np.int64]) -> float:
    """The share of pictures in the same group as most of their topic."""
    together = sum(np.bincount(labels[topics == topic]).max() for topic in np.unique(topics))
    return float(together / len(labels))


def main() -> None:
    if len(sys.argv) == 2:
        import django  # noqa: PLC0415 - with settings without a database, which is never queried

        os.environ |= {"DATABASE_URL": "postgres://nobody@localhost/none", "DEBUG": "on", "SECRET_KEY": "unused"}
        os.environ |= {"DJANGO_SETTINGS_MODULE": "imagesearch.settings"}
        django.setup()
        print(measured(int(sys.argv[1])))
        return
    print("| pictures | positions, seconds of processor | groups | memory | groups found | with most of their topic |")
    print("| --- | --- | --- | --- | --- | --- |")
    for count in sys.argv[1:] or ["30000", "100000"]:
        # Each in its own process, to measure its memory.
        subprocess.run([sys.executable, "-m", "benchmarks.map", count], check=True)


if __name__ == "__main__":
    main()
