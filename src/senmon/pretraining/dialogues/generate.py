"""The generator: so many conversations from a seed, the same on every machine."""

from __future__ import annotations

import json
import lzma
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from senmon.pretraining.dialogues.agreeing import agree
from senmon.pretraining.dialogues.counter import ask_back, choose, outcomes
from senmon.pretraining.dialogues.drills import drills
from senmon.pretraining.dialogues.reading import reading
from senmon.pretraining.dialogues.smalltalk import smalltalk
from senmon.pretraining.dialogues.tutoring import arithmetic, tutoring

#: Kind of conversation → its share.
SHARES: dict[Callable[[Random], dict[str, Any]], float] = {
    choose: 0.16,
    ask_back: 0.1,
    agree: 0.09,
    reading: 0.2,
    outcomes: 0.1,
    smalltalk: 0.07,
    drills: 0.18,
    tutoring: 0.1,
    arithmetic: 0.06,
}
KINDS = tuple(kind.__name__ for kind in SHARES)


def generate(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """`count` corpus lines. Line n depends on the seed and on n alone."""
    kinds, weights = list(SHARES), list(SHARES.values())
    for number in range(count):
        rng = Random(f"{seed}:{number}")
        yield rng.choices(kinds, weights)[0](rng)


def write(count: int, seed: int, out: Path, on_progress: Callable[[int], None] = lambda done: None) -> int:
    """Write a corpus file (`.jsonl` or `.jsonl.xz`) whole or not at all; its bytes on disk."""
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    opener: Any = lzma.open if out.suffix == ".xz" else open
    options = {"preset": 2} if out.suffix == ".xz" else {}
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with opener(part, "wt", encoding="utf-8", **options) as file:
            for done, line in enumerate(generate(count, seed), 1):
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
                if done % 500 == 0 or done == count:
                    on_progress(done)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return out.stat().st_size
