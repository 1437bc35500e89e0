"""Erasing a person reaches what was learnt of them: the lines of a pack that name their conversations."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from senmon.errors import ConfigError
from senmon.improvement.lines import ORIGIN
from senmon.improvement.screening import DATA, SUITE
from senmon.packs.atomic import locked_folder, replaced_file
from senmon.packs.jsonl import read_jsonl
from senmon.packs.pack import Pack


def forget_conversations(pack: Pack, conversations: Collection[str]) -> int:
    """Take the lines made of these conversations out of a pack; how many. Each file is replaced in one step.

    An adapter that was tuned before keeps what it learnt until the next one. Raises ConfigError when the
    folder can't be written; then nothing is lost, and the same call does it later.
    """
    wanted = {f"{ORIGIN}:{each}:" for each in conversations}
    if not wanted or not any((pack.path / name).is_file() for name in (DATA, SUITE)):
        return 0
    try:
        with locked_folder(pack.path):
            return sum(_forget(pack.path / name, wanted) for name in (DATA, SUITE))
    except OSError as error:
        raise ConfigError(
            f"{pack.path}: can't be written ({error.strerror or error})",
            remedy="take the lines out where the pack is written: senmon visitors erase",
        ) from error


def _forget(path: Path, wanted: Collection[str]) -> int:
    if not path.is_file():
        return 0
    kept, gone = list[str](), 0
    for line in read_jsonl(path):
        if line.record is None:  # broken by hand: `senmon check` tells of it
            raise ConfigError(f"{path}:{line.number} can't be read", remedy="mend the line, then erase again")
        origin = str(line.record.get("origin") or line.record.get("id") or "")
        if any(origin.startswith(one) for one in wanted):
            gone += 1
        else:
            kept.append(json.dumps(line.record, ensure_ascii=False))
    if gone and kept:
        with replaced_file(path) as file:
            file.writelines(f"{text}\n" for text in kept)
    elif gone:
        path.unlink()
    return gone
