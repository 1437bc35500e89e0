"""Token shards: a corpus tokenised once into memory-mapped arrays, named by what they were made from."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from senmon.adapters import durable
from senmon.pretraining.corpus import Document, Renders, group_of, read_documents, token_ids

FORMAT = 2


@dataclass(frozen=True, slots=True)
class Origin:
    """Documents and tokens of one source, and how many of its documents are conversations or use tools."""

    documents: int = 0
    tokens: int = 0
    conversations: int = 0
    tools: int = 0

    def __add__(self, other: Origin) -> Origin:
        return Origin(
            self.documents + other.documents,
            self.tokens + other.tokens,
            self.conversations + other.conversations,
            self.tools + other.tools,
        )


@dataclass(frozen=True, slots=True)
class Shard:
    """The tokens of one corpus file.

    `tokens`: [total] uint16 or uint32, memory-mapped. `starts`: [documents + 1] int64. `sources`: the name of
    each document's source by index `source`: [documents] int16. `digest`: sha256 of the
    file.
    """

    group: str
    tokens: np.ndarray[Any, Any]
    starts: np.ndarray[Any, Any]
    source: np.ndarray[Any, Any]
    sources: tuple[str, ...]
    digest: str = ""
    name: str = ""
    origins: dict[str, Origin] = field(default_factory=dict)

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
    """The shard of one file, made when it is not in `cache` yet. Atomic: a kill leaves no half shard.

    Documents are streamed to the disk, so memory does not grow with the corpus.
    """
    stat = path.stat()
    key = f"{FORMAT}|{path.name}|{group}|{stat.st_size}|{stat.st_mtime_ns}|{tokenizer_digest}"
    folder = cache / f"{path.name.split('.')[0]}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    if not (folder / "meta.json").is_file():
        draft = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
        try:
            _write(path, draft, renderer, end, vocabulary, on_progress, group)
            draft.replace(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return open_shard(folder)


def open_shard(folder: Path) -> Shard:
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))

    def load(name: str) -> np.ndarray[Any, Any]:
        values: np.ndarray[Any, Any] = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        return values

    starts = load("starts")
    empty = np.zeros(0, meta["dtype"])
    tokens = np.memmap(folder / "tokens.bin", meta["dtype"], mode="r") if starts[-1] else empty
    origins = {name: Origin(**counts) for name, counts in meta["origins"].items()}
    return Shard(
        meta["group"], tokens, starts, load("source"), tuple(origins), meta["digest"], meta["name"], origins
    )


def _write(
    path: Path,
    draft: Path,
    renderer: Renders,
    end: int,
    vocabulary: int,
    on_progress: Callable[[str, int], None] | None,
    group: str | None,
) -> None:
    draft.mkdir(parents=True, exist_ok=True)
    dtype = np.dtype(np.uint16 if vocabulary <= 2**16 else np.uint32)
    lengths, sources = [], []
    origins: dict[str, Origin] = {}
    places: dict[str, int] = {}
    with (draft / "tokens.bin").open("wb") as file:
        for number, document in enumerate(read_documents(path, group=group)):
            ids = token_ids(document, renderer, end)
            file.write(np.asarray(ids, dtype=dtype).tobytes())
            lengths.append(len(ids))
            sources.append(places.setdefault(document.source, len(places)))
            origins[document.source] = origins.get(document.source, Origin()) + _origin(document, len(ids))
            if on_progress and number % 500 == 0:
                on_progress(path.name, number)
    _save(draft, "starts", np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
    _save(draft, "source", np.asarray(sources, dtype=np.int16))
    meta = {
        "name": path.name,
        "group": group or group_of(path),
        "digest": sha256(path),
        "dtype": dtype.name,
        "origins": {name: _counts(origin) for name, origin in origins.items()},
    }
    # Not sorted: the order of `origins` numbers the sources.
    durable.write_text(draft / "meta.json", json.dumps(meta, ensure_ascii=False))


def _origin(document: Document, tokens: int) -> Origin:
    return Origin(1, tokens, int(document.is_conversation), int(document.uses_tools))


def _counts(origin: Origin) -> dict[str, int]:
    return {
        "documents": origin.documents,
        "tokens": origin.tokens,
        "conversations": origin.conversations,
        "tools": origin.tools,
    }


def sha256(path: Path) -> str:
    """Of the whole file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _save(folder: Path, name: str, values: np.ndarray[Any, Any]) -> None:
    np.save(folder / f"{name}.npy", values, allow_pickle=False)
