"""The kernel's regression and what it sees of sentence vectors."""

import numpy as np
import pytest
from scipy import sparse

from senmon.routing import kernel
from senmon.routing.kernel import Kernel
from senmon.routing.layers import Layers

NUMBERS = np.random.default_rng(0)


def rings(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Two classes that no plane parts: around the origin, and around that."""
    labels = np.arange(count) % 2
    angle = NUMBERS.uniform(0, 2 * np.pi, count)
    radius = np.where(labels == 0, 0.5, 2.0) + NUMBERS.normal(0, 0.1, count)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return points.astype(np.float32), labels.astype(np.int64)


def wordless(count: int) -> sparse.csr_matrix:
    return sparse.csr_matrix((count, 1), dtype=np.float32)


def test_it_solves_the_ridge_equations() -> None:
    points, labels = rings(40)
    words = sparse.csr_matrix(np.eye(5, dtype=np.float32)[np.arange(40) % 5])
    fitted = Kernel.fit(points, words, labels, np.ones(40, np.float32), 2)
    distances = ((fitted.points[:, None] - fitted.points[None]) ** 2).sum(axis=2).astype(np.float64)
    apart = 1 - (words @ words.T).toarray()
    matrix = np.exp(-distances / 2 - kernel.WORDS * apart) + kernel.RIDGE * np.eye(40)
    assert fitted.weights == pytest.approx(np.linalg.solve(matrix, np.eye(2)[labels]), abs=2e-3)
    assert fitted.values(points, words) == pytest.approx(np.eye(2)[labels], abs=0.6)


def test_a_second_part_learns_what_the_first_left_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Block Gauss–Seidel by hand on the whole system, in double precision."""
    monkeypatch.setattr(kernel, "PART", 20)
    points, labels = rings(40)
    fitted = Kernel.fit(points, wordless(40), labels, np.ones(40, np.float32), 2)
    distances = ((fitted.points[:, None] - fitted.points[None]) ** 2).sum(axis=2).astype(np.float64)
    matrix = np.exp(-distances / 2 - kernel.WORDS) + kernel.RIDGE * np.eye(40)
    turns, wanted = kernel._turns(labels, 2), np.eye(2)[labels]
    one, two = np.flatnonzero(turns == 0), np.flatnonzero(turns == 1)
    first = np.linalg.solve(matrix[np.ix_(one, one)], wanted[one])
    second = np.linalg.solve(matrix[np.ix_(two, two)], wanted[two] - matrix[np.ix_(two, one)] @ first)
    assert fitted.weights[one] == pytest.approx(first, abs=2e-3)
    assert fitted.weights[two] == pytest.approx(second, abs=2e-3)
    assert np.bincount(labels[one]).tolist() == np.bincount(labels[two]).tolist() == [10, 10]


def test_parts_together_know_what_no_plane_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "PART", 60)
    points, labels = rings(200)
    fitted = Kernel.fit(points, wordless(200), labels, np.ones(200, np.float32), 2)
    unseen, right = rings(100)
    found = fitted.values(unseen, wordless(100))
    assert (found.argmax(axis=1) == right).mean() > 0.97
    far = fitted.values(np.full((1, 2), 50, np.float32), wordless(1))
    assert np.abs(far).max() < 1e-6  # far from everything


def test_words_tell_apart_what_vectors_do_not() -> None:
    """And a single text is judged as a block of texts is."""
    points = np.zeros((40, 2), np.float32)
    labels = np.arange(40) % 2
    words = sparse.csr_matrix(np.eye(3, dtype=np.float32)[labels])
    fitted = Kernel.fit(points, words, labels, np.ones(40, np.float32), 2)
    asked = sparse.csr_matrix(np.array([[1, 0, 0], [0.6, 0.8, 0], [0, 0, 1]], np.float32))
    found = fitted.values(points[:3], asked)
    assert found[0, 0] > found[0, 1] + 0.5
    assert found[1, 1] > found[1, 0]
    assert found[2, 0] == pytest.approx(found[2, 1], abs=1e-4)
    for at in range(3):
        row = asked[at]
        assert fitted.value(points[at], (row.indices, row.data)) == pytest.approx(found[at], abs=1e-5)


def test_an_emphasised_example_is_believed_sooner() -> None:
    points = np.zeros((2, 2), np.float32)
    labels = np.array([0, 1])
    fitted = Kernel.fit(points, wordless(2), labels, np.array([4.0, 1.0], np.float32), 2)
    first, second = fitted.values(points[:1], wordless(1))[0]
    assert first > 2 * second


def test_layers_lose_their_common_part_and_have_length_one() -> None:
    common = np.concatenate([np.zeros(8), np.full(8, 3.0), np.full(8, -2.0)])
    vectors = (NUMBERS.normal(size=(50, 24)) + common).astype(np.float32)
    layers = Layers.learn(vectors, 8)
    features = layers.features(vectors)
    for start in (0, 8, 16):
        assert np.linalg.norm(features[:, start : start + 8], axis=1) == pytest.approx(1, abs=1e-4)
    assert np.abs(features[:, 8:].mean(axis=0)).max() < 0.15 < np.abs(vectors[:, 8:].mean(axis=0)).min()
    assert layers.features(vectors[3]) == pytest.approx(features[3], abs=1e-6)
    spread = layers.coordinates(features)
    near = features * np.sqrt(np.repeat([0.8, 0.4, 0.4], 8))
    assert ((spread[0] - spread[1]) ** 2).sum() == pytest.approx(((near[0] - near[1]) ** 2).sum(), rel=1e-3)


def test_without_an_encoder_there_is_nothing_to_see() -> None:
    layers = Layers.learn(np.zeros((5, 0), np.float32), 0)
    assert layers.features(np.zeros((2, 0), np.float32)).shape == (2, 0)
