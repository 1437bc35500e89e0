"""A policy as one safetensors file beside an adapter's weights."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np

from senmon.embedding import Encoder
from senmon.errors import AdapterCorrupt, AdapterMismatch
from senmon.policy.model import BUCKETS, Policy

FILE = "policy.safetensors"
FORMAT = "senmon policy 1"
#: A few hundred moves; larger files are not ours.
MOST_BYTES = 20_000_000
RETUNE = "tune the adapter again"


def save(policy: Policy, path: Path) -> None:
    """Weights as float16: `fit` has rounded them already."""
    from safetensors.numpy import save_file

    about = {"moves": policy.moves, "actions": policy.actions, "encoder": policy.encoder.digest}
    halves = {"dense": policy.dense.astype(np.float16), "words": policy.words.astype(np.float16)}
    # safetensors writes the buffer as it lies in memory, so rows must lie one after the other.
    tensors = {name: np.ascontiguousarray(part) for name, part in {**halves, "bias": policy.bias}.items()}
    save_file(tensors, path, metadata={"format": FORMAT, "policy": json.dumps(about, ensure_ascii=False)})


def load(folder: Path, encoder: Encoder | None = None) -> Policy | None:
    """The policy in an adapter's folder; None: it has none. `encoder` None: the installed one.

    Raises AdapterMismatch when it was made with another sentence encoder, AdapterCorrupt for a file that
    can't be read.
    """
    path = folder / FILE
    if path.is_symlink() or not path.is_file():
        return None
    try:
        return _read(path, encoder or packaged_encoder())
    except AdapterMismatch:
        raise
    except Exception as error:  # safetensors has its own error types, a hostile header any other
        raise AdapterCorrupt(f"{path}: can't be read ({error})", remedy=RETUNE) from error


def _read(path: Path, encoder: Encoder | None) -> Policy:
    from safetensors import safe_open

    if path.stat().st_size > MOST_BYTES:
        raise ValueError("it is too large")
    with safe_open(path, framework="numpy") as file:
        about = json.loads(file.metadata()["policy"])
        dense, words, bias = (file.get_tensor(name).astype(np.float32) for name in ("dense", "words", "bias"))
    if encoder is None or encoder.digest != about["encoder"]:
        raise AdapterMismatch(
            f"{path}: learnt with another sentence encoder", remedy=f"use that encoder, or {RETUNE}"
        )
    moves, actions = tuple(map(str, about["moves"])), tuple(map(str, about["actions"]))
    if (
        dense.shape != (len(moves), 2 * encoder.dim + len(actions) + 1)
        or words.shape != (len(moves), BUCKETS)
        or bias.shape != (len(moves),)
        or not all(np.isfinite(part).all() for part in (dense, words, bias))
    ):
        raise ValueError("its shapes do not fit together")
    return Policy(moves, actions, dense, words, bias, encoder)


@lru_cache(maxsize=1)
def packaged_encoder() -> Encoder | None:
    """The encoder that is installed, made once."""
    return Encoder.find()
