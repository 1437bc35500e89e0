"""Bits per byte on held-out documents, the same measure for every base.

What is counted: the bits of every token of the text, and of the token that ends a turn. What is not: the
markers around turns, which differ from template to template. The bytes are those of the text itself (UTF-8).
A plain text's first token has nothing before it and counts on neither side. So bases of different
tokenizers, vocabularies and templates can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from senmon.bases.catalog import BaseFiles, load_model, load_tokenizer
from senmon.pretraining.corpus import Document, read_documents
from senmon.rendering import Renderer

SCORED_TOKENS = 2048
#: Rows of logits at once: a large vocabulary costs memory.
HEAD_ROWS = 256
DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Held:
    """A document as tokens: `counted[i]` says whether the bits of `ids[i]` count. `bytes` of its text."""

    group: str
    source: str
    ids: np.ndarray[Any, Any]
    counted: np.ndarray[Any, Any]
    bytes: int


@dataclass(frozen=True, slots=True)
class Measured:
    """Bits and bytes of each document of a group."""

    bits: tuple[float, ...]
    bytes: tuple[int, ...]

    @property
    def value(self) -> float:
        """Bits per byte."""
        return sum(self.bits) / max(sum(self.bytes), 1)

    def interval(self, *, seed: int = 0) -> tuple[float, float]:
        """95 % percentile bootstrap over documents."""
        bits, size = np.asarray(self.bits), np.asarray(self.bytes, dtype=np.float64)
        drawn = _resamples(len(bits), seed)
        return _quantiles(bits[drawn].sum(1) / np.maximum(size[drawn].sum(1), 1))

    def text(self) -> str:
        """`1.234 (1.200 to 1.270)`."""
        if len(self.bits) < 2:
            return f"{self.value:.3f} (one document)"
        low, high = self.interval()
        return f"{self.value:.3f} ({low:.3f} to {high:.3f})"

    def change_text(self, other: Measured) -> str:
        """`-0.123 (-0.150 to -0.100)`."""
        value, low, high = self.change_from(other)
        return f"{value:+.3f} " + (f"({low:+.3f} to {high:+.3f})" if len(self.bits) > 1 else "(one document)")

    def change_from(self, other: Measured, *, seed: int = 0) -> tuple[float, float, float]:
        """This minus `other` on the same documents: value and 95 % interval, paired by document."""
        drawn = _resamples(len(self.bits), seed)
        size = np.asarray(self.bytes, dtype=np.float64)[drawn].sum(1)
        gap = np.asarray(self.bits) - np.asarray(other.bits)
        low, high = _quantiles(gap[drawn].sum(1) / np.maximum(size, 1))
        return self.value - other.value, low, high


def _resamples(count: int, seed: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, count, size=(DRAWS, count))


def _quantiles(values: np.ndarray[Any, Any]) -> tuple[float, float]:
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def held_documents(
    path: Path, per_group: int, *, groups: Mapping[str, str] | None = None, others: str | None = None
) -> list[Document]:
    """At most `per_group` documents of each group of a file, its sources taking turns.

    A file that mixes sources is told apart by `groups` (source → group). A source that is not named there
    belongs to `others`; None: it is a group of its own.
    """
    known = groups or {}
    found: dict[str, dict[str, list[Document]]] = {}
    for document in read_documents(path):
        group = known.get(document.source, others or document.source)
        of_source = found.setdefault(group, {}).setdefault(document.source, [])
        if len(of_source) < per_group:
            of_source.append(Document(group, document.source, document.content))
    return [document for name in sorted(found) for document in _in_turn(found[name], per_group)]


def source_groups(files: Iterable[Path], lines: int = 2000) -> dict[str, str]:
    """Source → group, from the first lines of (shuffled) corpus files."""
    return {
        document.source: document.group for path in files for document in islice(read_documents(path), lines)
    }


def _in_turn(sources: Mapping[str, Sequence[Document]], count: int) -> list[Document]:
    longest = max(map(len, sources.values()))
    turns = (one[at] for at in range(longest) for _, one in sorted(sources.items()) if at < len(one))
    return [document for document, _ in zip(turns, range(count), strict=False)]


def prepare(documents: Iterable[Document], renderer: Renderer, tokenizer: Any) -> list[Held]:
    """The documents as this base's tokens; those without a byte to predict are left out."""
    heads = {
        role: len(tokenizer(text, add_special_tokens=False)["input_ids"])
        for role, text in renderer.scaffold.heads.items()
    }
    made = [_held(document, renderer, heads) for document in documents]
    return [held for held in made if held.bytes > 0]


def _held(document: Document, renderer: Renderer, heads: Mapping[Any, int]) -> Held:
    if isinstance(document.content, str):
        ids = renderer.encode(document.content)
        counted = [False] + [True] * (len(ids) - 1)
        size = document.bytes - len(renderer.decode(ids[:1]).encode())
        return Held(document.group, document.source, np.asarray(ids), np.asarray(counted), size)
    opened = len(renderer.prompt(())) - heads["assistant"]
    whole: list[int] = list(renderer.prompt(())[:opened])
    mask = [False] * opened
    for message in document.content:
        turn, empty = renderer.turn(message).ids, renderer.turn(type(message)(message.role)).ids
        head = heads[message.role]
        body = len(turn) - len(empty)
        tail = len(empty) - head
        mask += [False] * head + [True] * (body + min(1, tail)) + [False] * max(0, tail - 1)
        whole += turn
    return Held(document.group, document.source, np.asarray(whole), np.asarray(mask), document.bytes)


def measure_base(
    files: BaseFiles, documents: Sequence[Document], *, context: int | None = None, device: str = "cpu"
) -> dict[str, Measured]:
    """Load a base and measure it, with its own tokenizer and template."""
    tokenizer = load_tokenizer(files)
    held = prepare(documents, Renderer(tokenizer), tokenizer)
    model = load_model(files, device=device)
    most = int(model.config.get_text_config().max_position_embeddings)
    return measure(model, held, context=min(context or most, most), device=device)


@torch.no_grad()
def measure(
    model: Any,
    documents: Sequence[Held],
    *,
    context: int,
    device: str = "cpu",
    autocast: Callable[[], Any] | None = None,
) -> dict[str, Measured]:
    """Per group. Documents longer than `context` tokens are read in consecutive pieces."""
    pieces = [
        (number, at, held.ids[at : at + context + 1])
        for number, held in enumerate(documents)
        for at in range(0, max(1, len(held.ids) - 1), context)
    ]
    pieces.sort(key=lambda piece: len(piece[2]))
    bits = np.zeros(len(documents))
    batch: list[tuple[int, int, np.ndarray[Any, Any]]] = []
    for piece in [*pieces, None]:
        if batch and (piece is None or len(piece[2]) * (len(batch) + 1) > SCORED_TOKENS):
            _add_bits(model, batch, documents, bits, device, autocast)
            batch = []
        if piece is not None and len(piece[2]) > 1:
            batch.append(piece)
    return _by_group(documents, bits)


def _add_bits(
    model: Any,
    batch: Sequence[tuple[int, int, np.ndarray[Any, Any]]],
    documents: Sequence[Held],
    bits: np.ndarray[Any, Any],
    device: str,
    autocast: Callable[[], Any] | None,
) -> None:
    width = max(len(ids) for _, _, ids in batch) - 1
    ids = torch.zeros((len(batch), width), dtype=torch.long)
    targets = torch.zeros((len(batch), width), dtype=torch.long)
    counted = torch.zeros((len(batch), width), dtype=torch.bool)
    for row, (number, at, piece) in enumerate(batch):
        values = torch.from_numpy(piece.astype(np.int64))
        ids[row, : len(values) - 1], targets[row, : len(values) - 1] = values[:-1], values[1:]
        mask = documents[number].counted[at + 1 : at + len(piece)]
        counted[row, : len(mask)] = torch.from_numpy(mask.copy())
    with autocast() if autocast else nullcontext():
        # Right padding under causal attention: no real token sees a padded one, so no mask is needed.
        hidden = model.get_decoder()(input_ids=ids.to(device), use_cache=False).last_hidden_state
        kept = counted.to(device)
        hidden, wanted = hidden[kept], targets.to(device)[kept]
        parts = zip(torch.split(hidden, HEAD_ROWS), torch.split(wanted, HEAD_ROWS), strict=True)
        losses = torch.cat([_losses(model, some, aim) for some, aim in parts])
    rows = kept.nonzero()[:, 0].cpu().numpy()
    numbers = np.array([number for number, _, _ in batch])[rows]
    np.add.at(bits, numbers, losses.double().cpu().numpy() / math.log(2))


def _losses(model: Any, hidden: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Nats of each target. hidden: [rows, width], wanted: [rows]."""
    logits = model.get_output_embeddings()(hidden).float()
    return torch.nn.functional.cross_entropy(logits, wanted, reduction="none")


def _by_group(documents: Sequence[Held], bits: np.ndarray[Any, Any]) -> dict[str, Measured]:
    found: dict[str, tuple[list[float], list[int]]] = {}
    for held, spent in zip(documents, bits, strict=True):
        one = found.setdefault(held.group, ([], []))
        one[0].append(float(spent))
        one[1].append(held.bytes)
    return {group: Measured(tuple(spent), tuple(size)) for group, (spent, size) in sorted(found.items())}
