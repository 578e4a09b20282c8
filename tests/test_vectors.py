"""Validation of the vectors that a model returns, before anything is stored."""

import numpy as np
import pytest

from search.models.vector_values import WrongVectors, unit_vectors


def some(count: int = 2, dimensions: int = 4) -> np.ndarray:
    return np.arange(1, count * dimensions + 1, dtype=np.float64).reshape(count, dimensions)


def test_vectors_are_normalised_to_float32_of_unit_length() -> None:
    vectors = unit_vectors(some(), count=2, dimensions=4)

    assert vectors.dtype == np.float32
    assert vectors.shape == (2, 4)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-6)
    assert vectors[0] == pytest.approx(np.array([1, 2, 3, 4]) / np.sqrt(30))


def test_unit_vectors_stay_the_same() -> None:
    once = unit_vectors(some(), count=2, dimensions=4)

    assert unit_vectors(once, count=2, dimensions=4) == pytest.approx(once)


def test_lists_and_half_precision_are_accepted() -> None:
    assert unit_vectors([[3, 4]], count=1, dimensions=2) == pytest.approx(np.array([[0.6, 0.8]]))
    assert unit_vectors(np.float16([[3, 4]]), count=1, dimensions=2).dtype == np.float32


def test_no_vectors_are_valid_if_none_are_expected() -> None:
    assert unit_vectors(np.zeros((0, 4)), count=0, dimensions=4).shape == (0, 4)


@pytest.mark.parametrize("shape", [(1, 4), (3, 4), (2, 5), (8,), (2, 4, 1), ()])
def test_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(WrongVectors, match="shape"):
        unit_vectors(np.ones(shape), count=2, dimensions=4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_at_any_position(value: float) -> None:
    vectors = some()
    vectors[1, 3] = value

    with pytest.raises(WrongVectors, match="NaN or an infinity"):
        unit_vectors(vectors, count=2, dimensions=4)


def test_vectors_whose_squares_overflow_keep_their_direction() -> None:
    assert unit_vectors(np.float32([[3e30, 4e30]]), count=1, dimensions=2) == pytest.approx(np.array([[0.6, 0.8]]))


def test_a_zero_vector_is_refused() -> None:
    vectors = some()
    vectors[0] = 0

    with pytest.raises(WrongVectors, match="zero"):
        unit_vectors(vectors, count=2, dimensions=4)
