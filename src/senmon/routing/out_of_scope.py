"""Messages that no pack answers, built in, so that *none* is learnt even from a single pack."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files

import numpy as np

from senmon.routing.features import Floats

_TEXT = files("senmon.routing").joinpath("out_of_scope.txt").read_text(encoding="utf-8")
OUT_OF_SCOPE_DIGEST = hashlib.sha256(_TEXT.encode()).hexdigest()

#: A message this near to an example of a pack looks in-domain (cosine of sentence vectors, of TF-IDF).
NEAR = 0.6
NEAR_TFIDF = 0.45
#: A pack with this share of a topic's messages near to it answers that topic.
TOPIC_SHARE = 0.25

#: Texts → their greatest cosine with the examples, per pack: float32 [n, packs].
Nearness = Callable[[Sequence[str]], Floats]


def topics() -> Mapping[str, tuple[str, ...]]:
    """Topic → messages."""
    found: dict[str, list[str]] = {}
    for line in _TEXT.splitlines():
        if line.startswith("# "):
            found[line[2:]] = current = []
        elif line:
            current.append(line)
    return {topic: tuple(messages) for topic, messages in found.items()}


def outside(nearness: Nearness, near: float) -> tuple[str, ...]:
    """The built-in messages, less those that look in-domain and whole topics that some pack answers."""
    kept: list[str] = []
    for messages in topics().values():
        close = nearness(messages) >= near
        if close.size and close.mean(axis=0).max() >= TOPIC_SHARE:
            continue
        kept += [text for text, hit in zip(messages, np.any(close, axis=1).tolist(), strict=True) if not hit]
    return tuple(kept)


def foreign(negatives: Sequence[str], own: int, nearness: Nearness, near: float) -> tuple[str, ...]:
    """A pack's negatives, less those that look in-domain for another pack."""
    if not negatives:
        return ()
    others = nearness(negatives)
    others[:, own] = 0.0
    hits = np.any(others >= near, axis=1).tolist()
    return tuple(text for text, hit in zip(negatives, hits, strict=True) if not hit)
