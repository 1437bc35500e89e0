"""What to collect next, from real traffic: messages that went badly, in groups that ask the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np

from senmon.dataset.example import Dataset, Example
from senmon.dataset.generation.candidate import Method, Parent, training_parents, with_request
from senmon.dataset.generation.review_file import Entry, read_entries, write_entries
from senmon.dataset.generation.sieve import Sieve
from senmon.dataset.normal_form import normalised
from senmon.embedding import Encoder
from senmon.evaluation.example_faults import judge_of
from senmon.improvement.clusters import MOST, MOST_BY_WORDS, SAME_WORDS, clusters, similarities
from senmon.improvement.masking import Mask
from senmon.improvement.signals import signals_of
from senmon.knowledge import Knowledge
from senmon.packs.atomic import locked_folder
from senmon.packs.pack import Pack
from senmon.readiness.meaning import sample
from senmon.store.exchanges import Exchange
from senmon.store.reviews import handle
from senmon.store.store import Store

METHOD: Method = "traffic"
SAMPLES = 5
#: Requests of the training data that messages are compared with.
COMPARED = 600
#: Bounds of the calibrated nearness: how near a request of an intent has another of the same.
LOOSEST, TIGHTEST = 0.45, 0.8
#: An article answers a message from this score on (see `knowledge`).
ANSWERS = 0.35
#: Drafts of one group.
DRAFTS = 3
Kind = Literal["wording", "article", "nothing"]


@dataclass(frozen=True, slots=True)
class Gap:
    """A group of messages, the middle one first. `ids` are the exchanges', `why` counts their signals.

    `kind`: `wording` – the training data has the like (`intent`, `like`), the words differ; `article` – an
    article (`article`) would answer it; `nothing` – the pack has nothing for it.
    """

    messages: tuple[str, ...]
    ids: tuple[str, ...]
    why: Mapping[str, int]
    kind: Kind
    intent: str = ""
    like: str = ""
    article: str = ""
    near: float = 0.0

    @property
    def size(self) -> int:
        return len(self.messages)

    def to_json(self) -> dict[str, Any]:
        return {
            "size": self.size,
            "kind": self.kind,
            "why": dict(self.why),
            "samples": list(dict.fromkeys(self.messages))[:SAMPLES],
            "ids": list(self.ids[:SAMPLES]),
            "intent": self.intent,
            "like": self.like,
            "article": self.article,
            "near": round(self.near, 3),
        }


@dataclass(frozen=True, slots=True)
class Drafted:
    """Drafts that wait in the pack's review file now, and why others are not among them."""

    made: tuple[Entry, ...]
    refused: Mapping[str, int]


async def gaps(
    pack: Pack,
    dataset: Dataset,
    store: Store,
    encoder: Encoder | None,
    *,
    since: datetime | None = None,
) -> tuple[Gap, ...]:
    """The largest first, masked. At most the newest 3,000 (800 without an encoder) are compared."""
    most = MOST if encoder is not None else MOST_BY_WORDS
    found: list[tuple[Exchange, str]] = []
    async for exchange in store.reviews.exchanges(since=since):
        if not _concerns(pack.name, exchange):
            continue
        owner = await store.reviews.owner(exchange.conversation)
        text = " ".join(Mask(pack, owner).text(exchange.text).split())[:1000]
        if normalised(text):
            found.append((exchange, text))
        if len(found) >= most:
            break
    return tuple(_grouped(pack, dataset, found, encoder))


def _concerns(pack: str, exchange: Exchange) -> bool:
    """Whether it went badly and was this pack's: by its route, or by what a person decided."""
    if exchange.review is not None and exchange.review.kind in ("reroute", "correct"):
        return pack in (exchange.review.pack, exchange.pack)
    if exchange.review is not None and exchange.review.kind in ("dismiss", "good"):
        return False
    if not signals_of(exchange):
        return False
    if exchange.pack is not None:
        return exchange.pack == pack
    scores = exchange.route.get("scores") or {}
    return bool(scores) and next(iter(scores)) == pack


def _grouped(
    pack: Pack, dataset: Dataset, found: Sequence[tuple[Exchange, str]], encoder: Encoder | None
) -> Iterator[Gap]:
    texts = [text for _, text in found]
    if not texts:
        return
    known = sample(dataset.split("train"), COMPARED)
    threshold = nearness(known, encoder)
    knowledge = Knowledge(pack.articles, encoder)
    for group in clusters(similarities(texts, texts, encoder), threshold):
        middle = texts[group[0]]
        near = similarities([middle], [one.request for one in known], encoder)[0]
        at = int(near.argmax()) if len(near) else -1
        nearest = float(near[at]) if len(near) else 0.0
        why = Counter(signal.kind for place in group for signal in signals_of(found[place][0]))
        yield Gap(
            messages=tuple(texts[place] for place in group),
            ids=tuple(handle(found[place][0].run)[:8] for place in group),
            why=dict(why.most_common()),
            **_answerable(knowledge, known[at] if at >= 0 else None, middle, nearest, threshold),
        )


def _answerable(
    knowledge: Knowledge, nearest: Example | None, text: str, near: float, threshold: float
) -> dict[str, Any]:
    if nearest is not None and near >= threshold:
        return {"kind": "wording", "intent": nearest.intent, "like": nearest.request, "near": near}
    passages = knowledge.search(text, k=1, min_score=ANSWERS)
    if passages:
        return {"kind": "article", "article": passages[0].id, "near": passages[0].score}
    return {"kind": "nothing", "near": near}


def nearness(known: Sequence[Example], encoder: Encoder | None) -> float:
    """The median similarity of a training request to the nearest other of its intent, within bounds."""
    if encoder is None:
        return SAME_WORDS
    texts = [one.request for one in known]
    near = similarities(texts, texts, encoder)
    intents = np.array([one.intent for one in known])
    near[intents[:, None] != intents[None, :]] = -1.0
    np.fill_diagonal(near, -1.0)
    best = near.max(axis=1) if len(texts) else np.zeros(0, dtype=np.float32)
    best = best[best > 0]
    return float(np.clip(np.median(best), LOOSEST, TIGHTEST)) if len(best) else TIGHTEST


def drafted(pack: Pack, dataset: Dataset, found: Sequence[Gap]) -> Drafted:
    """Proposes examples for `wording` gaps: the message in place of the like one's, the rest as there. They
    wait for `senmon review`; nothing is learnt of them before. Twice is once."""
    parents = {parent.example.request: parent for parent in training_parents(pack, dataset)}
    refused: Counter[str] = Counter()
    with locked_folder(pack.path):
        entries = read_entries(pack.path)
        there = {entry.id for entry in entries}
        sieve = Sieve(pack, dataset, judge_of(pack))
        made = []
        for entry, parent in _proposals(found, parents):
            if entry.id in there:
                refused["waits, or was decided, already"] += 1
                continue
            why = next(iter(sieve.faults(entry.record, METHOD, near=parent.example.id)), "")
            if why:
                refused[why.split(" as ")[0].split(" item ")[0]] += 1
                continue
            sieve.know(entry.request, entry.id)
            there.add(entry.id)
            made.append(entry)
        if made:
            write_entries(pack.path, (*entries, *made))
    return Drafted(tuple(made), dict(refused.most_common()))


def _proposals(found: Sequence[Gap], parents: Mapping[str, Parent]) -> Iterator[tuple[Entry, Parent]]:
    for gap in found:
        parent = parents.get(gap.like) if gap.kind == "wording" else None
        if parent is None:
            continue
        for text in list(dict.fromkeys(gap.messages))[:DRAFTS]:
            yield Entry(with_request(parent, text, METHOD, 0).record()), parent
