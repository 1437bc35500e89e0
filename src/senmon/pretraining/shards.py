"""Token shards: a corpus tokenised once into memory-mapped arrays, named by what they were made from."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from senmon.pretraining.corpus import Renders, group_of, read_documents, token_ids

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Shard:
    """The tokens of one corpus file.

    `tokens`: [total] uint16 or uint32, memory-mapped. `starts`: [documents + 1] int64. `sources`: the name of
    each document's source by index `source`: [documents] int16. `bytes`: UTF-8 bytes per document.
    """

    group: str
    tokens: np.ndarray[Any, Any]
    starts: np.ndarray[Any, Any]
    source: np.ndarray[Any, Any]
    sources: tuple[str, ...]
    bytes: np.ndarray[Any, Any]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def document(self, index: int) -> np.ndarray[Any, Any]:
        return self.tokens[self.starts[index] : self.starts[index + 1]]


def tokenise(
    path: Path,
    cache: Path,
    renderer: Renders,
    *,
    tokenizer_digest: str,
    end: int,
    vocabulary: int,
    on_progress: Callable[[str, int], None] | None = None,
    group: str | None = None,
) -> Shard:
    """The shard of one file, made when it is not in `cache` yet. Atomic: a kill leaves no half shard."""
    stat = path.stat()
    key = f"{FORMAT}|{path.name}|{stat.st_size}|{stat.st_mtime_ns}|{tokenizer_digest}"
    folder = cache / f"{path.name.split('.')[0]}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    if not (folder / "meta.json").is_file():
        _write(path, folder, renderer, end, vocabulary, on_progress, group)
    return open_shard(folder)


def open_shard(folder: Path) -> Shard:
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))

    def load(name: str) -> np.ndarray[Any, Any]:
        values: np.ndarray[Any, Any] = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        return values

    return Shard(
        meta["group"], load("tokens"), load("starts"), load("source"), tuple(meta["sources"]), load("bytes")
    )


def _write(
    path: Path,
    folder: Path,
    renderer: Renders,
    end: int,
    vocabulary: int,
    on_progress: Callable[[str, int], None] | None,
    group: str | None,
) -> None:
    draft = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
    draft.mkdir(parents=True, exist_ok=True)
    dtype = np.uint16 if vocabulary <= 2**16 else np.uint32
    parts: list[np.ndarray[Any, Any]] = []
    lengths, sources, sizes = [], [], []
    names: dict[str, int] = {}
    for number, document in enumerate(read_documents(path, group=group)):
        ids = token_ids(document, renderer, end)
        parts.append(np.asarray(ids, dtype=dtype))
        lengths.append(len(ids))
        sources.append(names.setdefault(document.source, len(names)))
        sizes.append(document.bytes)
        if on_progress and number % 1000 == 0:
            on_progress(path.name, number)
    _save(draft, "tokens", np.concatenate(parts) if parts else np.zeros(0, dtype))
    _save(draft, "starts", np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
    _save(draft, "source", np.asarray(sources, dtype=np.int16))
    _save(draft, "bytes", np.asarray(sizes, dtype=np.int64))
    meta = {"group": group or group_of(path), "sources": list(names), "documents": len(lengths)}
    (draft / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    draft.replace(folder)


def _save(folder: Path, name: str, values: np.ndarray[Any, Any]) -> None:
    np.save(folder / f"{name}.npy", values, allow_pickle=False)
