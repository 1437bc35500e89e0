"""Learning a policy, and what it would have said of examples that it did not learn from.

A model that is tuned beside hints which are always right trusts them blindly. So a training example's hint
comes from a policy that was fitted without it and without its near-twins (out of fold, as in stacked
generalisation, Wolpert 1992): the hints it learns beside are wrong as often as they will be when serving.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from senmon.embedding import Encoder, Vectors
from senmon.policy.model import Floats, Policy, dense_rows, named, shape, word_rows
from senmon.policy.situation import Situation

FOLDS = 5
#: Cosine from which on two messages count as wordings of one, and share a fold.
TWINS = 0.85
#: Inverse strength of the L2 penalty; steps of L-BFGS.
C, STEPS = 3.0, 150
#: Fewer moves or points than this teach nothing.
LEAST_POINTS = 20


class TooFewError(ValueError):
    """There is nothing to tell apart."""


def fit(situations: Sequence[Situation], moves: Sequence[str], encoder: Encoder) -> Policy:
    """Raises TooFewError with fewer than 20 points or two moves."""
    check_enough(moves)
    actions = known_actions(situations)
    dense = dense_rows(situations, actions, encoder)
    model = _learn(_matrix(dense, word_rows(situations)), np.array(moves))
    split = dense.shape[1]
    weights, bias = _per_move(model)
    return Policy(
        moves=tuple(str(name) for name in model.classes_),
        actions=actions,
        # As they are stored: the policy fitted now and the one read later agree to the bit.
        dense=_stored(weights[:, :split]),
        words=_stored(weights[:, split:]),
        bias=bias.astype(np.float32),
        encoder=encoder,
    )


def out_of_fold(
    situations: Sequence[Situation], moves: Sequence[str], encoder: Encoder
) -> tuple[tuple[str, ...], ...]:
    """For each point what `Policy.likely` says of it when it was fitted on the other folds."""
    check_enough(moves)
    dense = dense_rows(situations, known_actions(situations), encoder)
    rows, labels = _matrix(dense, word_rows(situations)), np.array(moves)
    folds = fold_of([each.text for each in situations], encoder)
    told: list[tuple[str, ...]] = [()] * len(situations)
    for fold in range(FOLDS):
        held = np.flatnonzero(folds == fold)
        rest = np.flatnonzero(folds != fold)
        if not held.size:
            continue
        if len(set(labels[rest])) < 2:
            raise TooFewError("all messages are wordings of one")
        model = _learn(rows[rest], labels[rest])
        for at, row in zip(held, model.predict_proba(rows[held]), strict=True):
            told[at] = named(dict(zip(map(str, model.classes_), row.tolist(), strict=True)))
    return tuple(told)


def check_enough(moves: Sequence[str]) -> None:
    """Raises TooFewError."""
    if len(moves) < LEAST_POINTS or len(set(moves)) < 2:
        raise TooFewError(f"{len(moves)} replies with {len(set(moves))} kinds of move")


def known_actions(situations: Sequence[Situation]) -> tuple[str, ...]:
    """The actions that were called last in some situation."""
    return tuple(sorted({each.action for each in situations} - {""}))


def fold_of(texts: Sequence[str], encoder: Encoder) -> NDArray[np.int64]:
    """[n] in 0..FOLDS−1: near-twins share a fold; deterministic in the set of texts."""
    unique = sorted({shape(text) for text in texts})
    leaders = _leaders(encoder.encode(unique))
    fold = {text: leader % FOLDS for text, leader in zip(unique, leaders, strict=True)}
    return np.array([fold[shape(text)] for text in texts], dtype=np.int64)


def _leaders(vectors: Vectors) -> list[int]:
    """Of each vector the number of the first group whose leader it lies near."""
    heads = np.zeros_like(vectors)
    count, groups = 0, []
    for vector in vectors:
        near = heads[:count] @ vector
        best = int(near.argmax()) if count else -1
        if best < 0 or near[best] < TWINS:
            heads[count] = vector
            best = count
            count += 1
        groups.append(best)
    return groups


def _matrix(dense: Floats, words: Any) -> Any:
    from scipy import sparse

    return sparse.hstack([sparse.csr_matrix(dense), words]).tocsr()


def _learn(rows: Any, labels: NDArray[np.str_]) -> Any:
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the steps are bounded on purpose
        return LogisticRegression(C=C, max_iter=STEPS).fit(rows, labels)


def _per_move(model: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights and bias of every class; scikit-learn keeps one row where there are two."""
    weights, bias = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        weights, bias = np.vstack([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    return weights, bias


def _stored(weights: NDArray[np.float64]) -> Floats:
    return np.ascontiguousarray(weights.astype(np.float16).astype(np.float32))
