"""What reviewed decisions change in a pack: judged, without repetitions, without what the exam asks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from senmon.dataset.call_rules import PackRules
from senmon.dataset.example import Dataset
from senmon.dataset.hygiene import suite_requests
from senmon.dataset.loading import load_dataset
from senmon.dataset.near_index import NearIndex
from senmon.dataset.normal_form import normalised
from senmon.dataset.record import Record, read_record
from senmon.errors import RunNotFound, SenmonError
from senmon.improvement.deciding import faults_of
from senmon.improvement.lines import Line, data_line, line_id, run_of, suite_line
from senmon.improvement.outdated import Opinions, Outdated, reply_of
from senmon.improvement.talk import Talk, read_talk
from senmon.messages import Message
from senmon.packs.jsonl import read_jsonl
from senmon.packs.pack import Pack
from senmon.store.exchanges import Review
from senmon.store.store import Store

DATA = "data/reviewed.jsonl"
SUITE = "eval/regressions.jsonl"
#: Of a hundred conversations, so many are held out: they measure what the others teach.
HOLD_OUT = 20


@dataclass(frozen=True, slots=True)
class Refused:
    review: Review
    why: str


@dataclass(frozen=True)
class Plan:
    """What would change. `data` and `suite` are the files as they would be, line by line.

    `added`, `changed` and `withdrawn` are data lines, `asked` new items of the suite. `conflicts` are places
    of the pack's own data that answer the same request otherwise; `outdated` lines of it teach a reply that
    was corrected again and again, and `retired` is which of them go out.
    """

    data: tuple[str, ...]
    suite: tuple[str, ...]
    added: tuple[Line, ...] = ()
    changed: tuple[Line, ...] = ()
    withdrawn: tuple[str, ...] = ()
    asked: tuple[Line, ...] = ()
    unchanged: int = 0
    refused: tuple[Refused, ...] = ()
    conflicts: tuple[str, ...] = ()
    outdated: tuple[Outdated, ...] = ()
    retired: tuple[Outdated, ...] = ()
    taken: tuple[Review, ...] = field(default=(), repr=False)

    @property
    def changes(self) -> bool:
        return bool(self.added or self.changed or self.withdrawn or self.asked or self.retired)


async def planned(pack: Pack, store: Store, *, hold_out: int = HOLD_OUT, retire: bool = False) -> Plan:
    """What the decisions so far change in `pack`. Writes nothing; the same decisions give the same plan.
    `retire`: what is outdated goes out."""
    reviews = await store.reviews.decided()
    dataset = load_dataset(pack)
    draft = await _drafted(_Draft(pack, dataset, reviews, hold_out), store)
    outdated = draft.opinions.outdated(draft.own)
    if retire and outdated:
        # Once more without them: what they kept out, or contradicted, is learnt then.
        gone = {f"{one.path}:{one.number}" for one in outdated}
        left = Dataset(tuple(one for one in dataset.examples if one.source not in gone))
        draft = await _drafted(_Draft(pack, left, reviews, hold_out), store)
    return draft.plan(outdated, retire=retire)


async def _drafted(draft: _Draft, store: Store) -> _Draft:
    """With every decision about the pack taken, or refused."""
    found = []
    for review in draft.reviews:
        if review.pack != draft.pack.name or review.kind not in ("correct", "good", "eval"):
            continue
        try:
            conversation = (await store.reviews.exchange(review.run)).conversation
        except RunNotFound as error:  # the visitor has sent it again, otherwise
            draft.refused.append(Refused(review, error.message))
        else:
            found.append((draft.order(review, conversation), review, conversation))
    talk: Talk | None = None
    for _, review, conversation in sorted(found, key=lambda one: one[0]):  # stable: the oldest first
        if talk is None or talk.owner.id != conversation:
            talk = await read_talk(store, conversation)
        draft.take(review, talk)
    return draft


class _Draft:
    """The files as they come to be, and what stands in the way of a line."""

    def __init__(self, pack: Pack, dataset: Dataset, reviews: Sequence[Review], hold_out: int) -> None:
        self.pack, self.rules, self.hold_out = pack, PackRules.of(pack), hold_out
        self.reviews = reviews
        self.there = _lines(pack, DATA)
        self.suite = _lines(pack, SUITE)
        teaching = [one for one in reviews if one.pack == pack.name and one.kind in ("correct", "good")]
        gone = {line_id(one.run) for one in reviews} - {line_id(one.run) for one in teaching}
        self.withdrawn = tuple(id for id in self.there if id in gone)
        mine = {line_id(one.run) for one in reviews} | set(self.there)
        decided = {one.run for one in reviews}
        self.items = {id: text for id, text in self.suite.items() if run_of(id) not in decided}
        self.asked = _Asked(pack, self.items)
        self.known = _Known()
        for example in dataset.examples:
            if example.id in mine:
                continue
            if example.split == "train":
                self.known.add(example.messages, example.source)
            else:
                self.asked.hold(_turns(example.messages), f"the held-out example {example.source}")
        self.made: dict[str, Line] = {}
        self.questions: dict[str, Line] = {}
        self.refused: list[Refused] = []
        self.conflicts: list[str] = []
        self.taken: list[Review] = []
        # Held-out ones too: they would measure what is no longer true.
        self.own = [one for one in dataset.examples if one.id not in mine]
        self.opinions = Opinions()

    def order(self, review: Review, conversation: str) -> int:
        """What is asked comes before what is learnt, and what teaches before what measures."""
        if review.kind == "eval":
            return 0
        return 1 if self._split(review, conversation) == "train" else 2

    def take(self, review: Review, talk: Talk) -> None:
        try:
            why = "; ".join(faults_of(self.pack, talk, review))
            if not why:
                self._hear(review, talk)
                why = self._ask(review, talk) if review.kind == "eval" else self._learn(review, talk)
        except SenmonError as error:
            why = error.message
        if why:
            self.refused.append(Refused(review, why))
        else:
            self.taken.append(review)

    def _hear(self, review: Review, talk: Talk) -> None:
        turn = talk.turn(review.run)
        self.opinions.hear(review, turn.exchange.text, turn.messages if turn.owner == self.pack.name else ())

    def _ask(self, review: Review, talk: Talk) -> str:
        line = suite_line(self.pack, talk, review)
        self.questions[line.id] = line
        self.asked.hold(_said(line.record["messages"]), f"the regression item of {review.reviewer}")
        return ""

    def _learn(self, review: Review, talk: Talk) -> str:
        split = self._split(review, talk.owner.id)
        line = data_line(self.pack, talk, review, split=split)
        record = read_record(line.record, self.rules, "")
        assert isinstance(record, Record)  # faults_of has read it
        turns = _turns(record.messages)
        if found := self.asked.leak(turns):
            return f"is asked by {found}: it is measured, not learnt"
        place = f"{DATA} ({line.id})"
        if same := self.known.same(record.messages):
            return f"says the same as {same}"
        if other := self.known.otherwise(record.messages):
            self.conflicts.append(f"{other} answers the same request otherwise than {line.id}")
        self.known.add(record.messages, place)
        self.made[line.id] = line
        return ""

    def _split(self, review: Review, conversation: str) -> str:
        """Whole conversations are held out, and what was decided once stays."""
        known = self.there.get(line_id(review.run))
        if known is not None:
            return str(json.loads(known).get("split") or "train")
        share = int.from_bytes(hashlib.sha256(conversation.encode()).digest()[:4], "big") % 100
        return "test" if share < self.hold_out else "train"

    def plan(self, outdated: tuple[Outdated, ...], *, retire: bool) -> Plan:
        refused = {line_id(one.review.run) for one in self.refused}
        kept = {id: text for id, text in self.there.items() if id not in {*self.withdrawn, *refused}}
        made = {id: _text(line) for id, line in self.made.items()}
        asked = {id: _text(line) for id, line in self.questions.items()}
        changed = [self.made[id] for id, text in made.items() if self.there.get(id, text) != text]
        return Plan(
            data=tuple({**kept, **made}.values()),
            suite=tuple({**self.items, **asked}.values()),
            added=tuple(line for id, line in self.made.items() if id not in self.there),
            changed=tuple(changed),
            withdrawn=(
                *self.withdrawn,
                *(id for id in self.there if id in refused),
                *(id for id in self.suite if id not in self.items and id not in asked),
            ),
            asked=tuple(self.questions[id] for id, text in asked.items() if self.suite.get(id) != text),
            unchanged=sum(self.there.get(id) == text for id, text in made.items()),
            refused=tuple(self.refused),
            conflicts=tuple(self.conflicts),
            outdated=outdated,
            retired=outdated if retire else (),
            taken=tuple(self.taken),
        )


class _Known:
    """Conversations that are learnt already, by what was asked and what was answered."""

    def __init__(self) -> None:
        self._near = NearIndex()
        self._replies: dict[str, str] = {}

    def add(self, messages: Sequence[Message], place: str) -> None:
        self._near.add("\n".join(_turns(messages)), place)
        self._replies[place] = reply_of(messages)

    def same(self, messages: Sequence[Message]) -> str:
        """The place of a conversation that asks nearly this and answers exactly this."""
        skipped: tuple[str, ...] = ()
        asked, reply = "\n".join(_turns(messages)), reply_of(messages)
        while place := self._near.like(asked, but=skipped):
            if self._replies[place] == reply:
                return place
            skipped = (*skipped, place)
        return ""

    def otherwise(self, messages: Sequence[Message]) -> str:
        return self._near.like("\n".join(_turns(messages)))


class _Asked:
    """What evaluation asks: the suites' items and the held-out examples. `kept` are the regression items that
    no decision of today is about."""

    def __init__(self, pack: Pack, kept: Mapping[str, str]) -> None:
        self._exact: dict[tuple[str, ...], str] = {}
        self._near = NearIndex()
        for path in pack.suite_files:
            if path != pack.path / SUITE:
                for turns, item in suite_requests(path):
                    self.hold(turns, f"the evaluation item {item}")
        for id, text in kept.items():
            self.hold(_said(json.loads(text).get("messages", ())), f"the regression item {id}")

    def hold(self, turns: tuple[str, ...], name: str) -> None:
        self._exact.setdefault(turns, name)
        self._near.add("\n".join(turns), name)

    def leak(self, turns: tuple[str, ...]) -> str:
        """What asks all of the first turns, or nearly the whole conversation."""
        for end in range(1, len(turns) + 1):
            if turns[:end] in self._exact:
                return self._exact[turns[:end]]
        return self._near.like("\n".join(turns))


def _turns(messages: Iterable[Message]) -> tuple[str, ...]:
    return tuple(normalised(one.content) for one in messages if one.role == "user")


def _said(messages: Iterable[Mapping[str, object]]) -> tuple[str, ...]:
    return tuple(normalised(str(one.get("content", ""))) for one in messages if one.get("role") == "user")


def _lines(pack: Pack, name: str) -> dict[str, str]:
    """Id → line of a file that this room writes; lines by hand among them are kept as they are."""
    path = pack.path / name
    return dict(_read(path.as_posix(), read_jsonl(path))) if path.exists() else {}


def _read(place: str, lines: Iterable[object]) -> Iterator[tuple[str, str]]:
    for line in lines:
        record = getattr(line, "record", None)
        number = getattr(line, "number", 0)
        if record is not None:
            yield str(record.get("id") or f"{place}:{number}"), json.dumps(record, ensure_ascii=False)


def _text(line: Line) -> str:
    return json.dumps(line.record, ensure_ascii=False)
