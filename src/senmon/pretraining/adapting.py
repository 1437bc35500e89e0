"""Continued pretraining of any base on a team's own documents: low rate, some replay, held-out documents."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from senmon.adapters import durable
from senmon.bases.catalog import BaseFiles, load_tokenizer
from senmon.bases.facts import parameter_count
from senmon.errors import ConfigError, DataInvalid, Problem
from senmon.pretraining.corpus import Document, group_of, read_documents
from senmon.pretraining.documents import UNREADABLE, Raw, is_held_out, pieces
from senmon.pretraining.mixing import Mix
from senmon.pretraining.plan import Plan, Progress
from senmon.pretraining.pretrain import Result, pretrain
from senmon.rendering import Renderer, call_text

GROUP = "documents"
SMALL_PARAMETERS = 100_000_000
SMALL_RATE, LARGE_RATE = 5e-4, 2e-5
LEAST_BATCH, MOST_BATCH = 512, 8192
#: Optimiser steps that a pass over the documents is divided into, about.
STEPS_PER_EPOCH = 16
VALID_PER_SOURCE = 40
MOST_MICRO = 1024
FEW_DOCUMENTS = 10


@dataclass(frozen=True, slots=True)
class Adaptation:
    """How to adapt. `replay_share` of the tokens come from the replay files, when there are any. `rate`
    None: 5e-4 for bases below 100 M parameters, else 2e-5."""

    epochs: float = 3.0
    replay_share: float = 0.2
    rate: float | None = None
    minutes: float | None = None
    context: int = 512
    seed: int = 0
    precision: str = "auto"

    def __post_init__(self) -> None:
        """Raises ConfigError."""
        if self.epochs <= 0 or not 0 <= self.replay_share < 1 or (self.rate is not None and self.rate <= 0):
            raise ConfigError(
                "epochs and rate must be above 0, the replay share from 0 to below 1",
                remedy="leave them out for the defaults",
            )


def adapt(
    base: BaseFiles,
    documents: Sequence[Raw | Document],
    how: Adaptation,
    *,
    out: Path,
    replay: Sequence[Path] = (),
    valid: Path | None = None,
    device: str = "cpu",
    pause: Callable[[], bool] = lambda: False,
    on_progress: Callable[[Progress], None] | None = None,
) -> Result:
    """A base that has read the documents, in `out/base`. About a tenth is held out and measured.

    `valid` is measured as well: what is forgotten shows there. Goes on after a kill, like `pretrain`.
    Raises DataInvalid when there is too little to hold anything out, and what `pretrain` raises.
    """
    material = out / "material"
    train, held = divided(documents)
    file, held_file = material / f"{GROUP}.jsonl", material / "held-out.jsonl"
    _write_lines(file, train)
    _write_lines(held_file, [*held, *(_lines_of(valid) if valid else [])])
    replayed = [group_of(path) for path in replay]
    if GROUP in replayed:
        raise ConfigError(f"a replay file is called {GROUP}", remedy="rename it")
    share = how.replay_share if replayed else 0.0
    shares = {GROUP: 1 - share, **{group: share / len(set(replayed)) for group in replayed}}
    plan = _plan(base, how, _tokens(base, train), share)
    return pretrain(
        [file, *replay],
        held_file,
        base=base,
        fresh=None,
        out=out,
        mix=Mix(shares, shares),
        plan=plan,
        device=device,
        pause=pause,
        on_progress=on_progress,
    )


def _plan(base: BaseFiles, how: Adaptation, tokens: int, share: float) -> Plan:
    rate = how.rate or (SMALL_RATE if parameter_count(base) < SMALL_PARAMETERS else LARGE_RATE)
    batch = min(MOST_BATCH, max(LEAST_BATCH, tokens // STEPS_PER_EPOCH))
    return Plan(
        tokens=max(1, int(how.epochs * tokens / (1 - share))),
        minutes=how.minutes,
        context=how.context,
        batch_tokens=batch,
        # Documents and replay differ in length: a step of several micro-batches sees both.
        micro_tokens=min(batch // 4, MOST_MICRO),
        method="adamw",
        adam_rate=rate,
        schedule="cosine",
        warmup=0.05,
        seed=how.seed,
        precision=how.precision,
        evaluations=5,
        packed=False,
    )


def divided(documents: Sequence[Raw | Document]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Records to learn from and records held out; whole documents, or pieces where documents are few.

    Repeated pieces count once. Raises DataInvalid when less than two different pieces are there.
    """
    few = len(documents) < FEW_DOCUMENTS
    sides: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    seen: set[str] = set()
    for document in documents:
        for record, text in _records(document):
            if text in seen:
                continue
            seen.add(text)
            whole = document.text if isinstance(document, Raw) else text
            sides[is_held_out(text if few else whole)].append(record)
    train, held = sides
    if len(train) + len(held) < 2:
        problem = Problem("", 0, "", "at least two different pieces of text are needed", "add documents")
        raise DataInvalid(UNREADABLE, [problem])
    if not held:
        held.append(train.pop())
    if not train:
        train.append(held.pop())
    return train, held


def _records(document: Raw | Document) -> list[tuple[dict[str, Any], str]]:
    if isinstance(document, Raw):
        return [({"text": piece, "source": GROUP}, piece) for piece in pieces(document)]
    record = {**_content(document), "source": GROUP}
    return [(record, json.dumps(record, ensure_ascii=False))]


def _content(document: Document) -> dict[str, Any]:
    if isinstance(document.content, str):
        return {"text": document.content}
    messages = []
    for message in document.content:
        calls = "".join(map(call_text, message.tool_calls))
        messages.append({"role": message.role, "content": message.content + calls})
    return {"messages": messages}


def _lines_of(valid: Path) -> list[dict[str, Any]]:
    counts: dict[str, int] = {}
    kept = []
    for document in read_documents(valid):
        counts[document.source] = counts.get(document.source, 0) + 1
        if counts[document.source] <= VALID_PER_SOURCE:
            kept.append({**_content(document), "source": document.source})
    return kept


def _write_lines(path: Path, records: Sequence[dict[str, Any]]) -> None:
    """Left alone when it holds the same already, so that its tokens are not made again."""
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        durable.write_text(path, text)


def _tokens(base: BaseFiles, records: Sequence[dict[str, Any]]) -> int:
    renderer = Renderer(load_tokenizer(base))
    texts = (record.get("text") or json.dumps(record["messages"]) for record in records)
    return sum(len(renderer.encode(text)) for text in texts)
