"""What a generated example must pass: the pack's rules and checks, and distance to what is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from senmon.dataset.call_rules import PackRules
from senmon.dataset.example import Dataset
from senmon.dataset.generation.candidate import Candidate
from senmon.dataset.hygiene import suite_requests
from senmon.dataset.near_index import NearIndex
from senmon.dataset.normal_form import normalised, request_key
from senmon.dataset.record import Record, read_record
from senmon.messages import Message
from senmon.packs.pack import Pack

#: Reasons why the pack's checks refuse a reply of these messages; empty when they pass.
Judge = Callable[[Sequence[Message]], Sequence[str]]
#: Requests that differ in nothing but an id: so many teach enough.
SAME_BUT_FOR_IDS = 3


class Sieve:
    """Knows every request of the data, of the review file, and of the evaluation suites."""

    def __init__(self, pack: Pack, dataset: Dataset, judge: Judge) -> None:
        self._rules = PackRules.of(pack)
        self._judge = judge
        self._exact: dict[str, str] = {}
        self._near = NearIndex()
        self._keys: Counter[str] = Counter()
        self._held: dict[str, str] = {}
        self._held_near = NearIndex()
        for path in pack.suite_files:
            for turns, item in suite_requests(path):
                for turn in turns:
                    self._hold(turn, f"evaluation item {item}")
        for example in dataset.examples:
            if example.split == "train":
                self.know(example.request, example.id)
            else:
                self._hold(example.request, f"held-out example {example.id}")

    def know(self, request: str, name: str) -> None:
        """A request that is there from now on."""
        text = normalised(request)
        self._exact.setdefault(text, name)
        self._near.add(text, name)
        self._keys[request_key(request)] += 1

    def _hold(self, request: str, name: str) -> None:
        self._held.setdefault(request_key(request), name)
        self._held_near.add(normalised(request), name)

    def refusal(self, candidate: Candidate) -> str:
        """Why a candidate can't be offered; empty when it can."""
        near = candidate.parent if candidate.method == "noise" else ""
        return next(iter(self.faults(candidate.record(), candidate.method, near=near)), "")

    def faults(self, data: Mapping[str, Any], method: str, *, own: str = "", near: str = "") -> Iterable[str]:
        """Every reason against a data line, the cheap ones first. `own` is the id of the line itself, which
        may be known already; `near` that of an example that it may be much like."""
        record = read_record(data, self._rules, "")
        if not isinstance(record, Record):
            yield from (f"{field}: {why}" for field, why, _ in record)
            return
        requests = [message.content for message in record.messages if message.role == "user"]
        yield from self._distances(requests[0], method, own, near)
        for request in requests:
            yield from self._leaks(request)
        yield from self._judge(record.messages)

    def _distances(self, request: str, method: str, own: str, near: str) -> Iterable[str]:
        text = normalised(request)
        if not text:
            yield "says nothing"
        if (same := self._exact.get(text, own)) != own:
            yield f"is the same request as {same}"
        elif self._keys[request_key(request)] >= SAME_BUT_FOR_IDS and not own:
            yield "is a request that is there often enough, with other ids"
        elif method != "templates" and (other := self._near.like(text, but=(own, near))):
            yield f"is almost the same request as {other}"

    def _leaks(self, request: str) -> Iterable[str]:
        found = self._held.get(request_key(request)) or self._held_near.like(normalised(request))
        if found:
            yield f"would leak {found}"
