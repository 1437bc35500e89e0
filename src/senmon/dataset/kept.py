"""What a server needs of a pack's data, kept from one start to the next.

Reading thousands of examples, checking each and looking for twins takes seconds; a start needs a digest and
the pairs for routing. They are kept by the pack's digest and by the source that made them.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import senmon
from senmon.dataset.loading import load_dataset
from senmon.dataset.routing import Learnt
from senmon.packs.pack import Pack

#: Rooms whose code decides what comes out.
_MAKERS = ("dataset", "packs", "pii", "messages", "rendering", "checks")


def learnt_of(pack: Pack, folder: Path) -> Learnt:
    """As kept in `folder`, else from the data, and kept. Raises DataInvalid."""
    path, key = folder / f"{pack.name}.json", f"{pack.digest} {_makers_digest()}"
    known = _read(path, key)
    if known is None:
        known = Learnt.of(load_dataset(pack))
        with suppress(OSError):  # a folder that can't be written costs time, nothing else
            _write(path, key, known)
    return known


def _read(path: Path, key: str) -> Learnt | None:
    """None unless the file is whole and of this key."""
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
        if data["key"] != key or data["sum"] != _sum(data["digest"], data["pairs"]):
            return None
        return Learnt(data["digest"], tuple((request, intent) for request, intent in data["pairs"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, key: str, learnt: Learnt) -> None:
    pairs = [list(pair) for pair in learnt.pairs]
    data = {"key": key, "sum": _sum(learnt.digest, pairs), "digest": learnt.digest, "pairs": pairs}
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(data), encoding="utf-8")
    draft.replace(path)


def _sum(digest: str, pairs: Any) -> str:
    return hashlib.sha256(json.dumps([digest, pairs]).encode()).hexdigest()


@cache
def _makers_digest() -> str:
    """Of the source that turns files into examples: another version may find something else."""
    root, found = Path(senmon.__file__).parent, hashlib.sha256()
    for name in _MAKERS:
        for path in sorted([*root.glob(f"{name}.py"), *root.glob(f"{name}/**/*.py")]):
            found.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()
