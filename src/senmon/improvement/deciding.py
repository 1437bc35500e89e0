"""A person's decisions about exchanges. Each is judged at once by what will judge it later, so that who
decides hears what is wrong with it.

`data` of a decision by kind: `correct` has `reply` or `call` ({"name", "arguments"}) and may have `intent`,
`articles` (which should have been shown) and `alone` (without the calls that were made); `good` may have
`intent`; `eval` has `expect`, as a suite takes it, and may have `intent`, `articles`; `reroute` and `dismiss`
have nothing.
"""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from senmon.dataset.call_rules import PackRules
from senmon.dataset.record import Record, read_record
from senmon.errors import ArticleNotFound, ConfigError, DataInvalid, Problem
from senmon.evaluation.example_faults import judge_of
from senmon.evaluation.suite import KINDS
from senmon.improvement.lines import data_line, intent_of, suite_line
from senmon.improvement.masking import Mask
from senmon.improvement.talk import Talk, read_talk
from senmon.packs.pack import Pack
from senmon.routing.corrections import MAX_TEXT, Correction, propose
from senmon.store.exchanges import Exchange, Review, ReviewKind
from senmon.store.reviews import handle
from senmon.store.rows import now
from senmon.store.store import Store

MAX_REPLY = 8000
MAX_REVIEWER = 60
FindPack = Callable[[str], Pack]


class Desk:
    """Where decisions are made. `packs` gives a pack by name (PackNotFound); `home` holds the router's
    corrections; `reviewer` is who decides."""

    def __init__(self, store: Store, home: Path, packs: FindPack, reviewer: str) -> None:
        name = " ".join(reviewer.split()).replace(":", " ")[:MAX_REVIEWER]
        if not name or not name.isprintable():
            raise ConfigError("who decides? A review needs a name", remedy="--reviewer NAME")
        self.store, self.home, self.packs, self.reviewer = store, home, packs, name

    async def correct(
        self,
        id: str,
        *,
        reply: str | None = None,
        call: Mapping[str, Any] | None = None,
        pack: str | None = None,
        intent: str | None = None,
        articles: tuple[str, ...] | None = None,
        alone: bool = False,
        note: str = "",
    ) -> tuple[Review, bool]:
        """What should have been said (`reply`) or called. `pack`, when another should have answered: the
        router learns that too. Raises RunNotFound, PackNotFound, ConfigError, DataInvalid when it can't be
        learnt."""
        if (reply is None) == (call is None):
            raise ConfigError("one of the two: what should it have said, or called?", remedy="--reply TEXT")
        if reply is not None and not 0 < len(reply.strip()) <= MAX_REPLY:
            raise ConfigError(f"a reply has 1 to {MAX_REPLY} characters", remedy="--reply TEXT")
        exchange = await self.store.reviews.exchange(id)
        chosen = self._pack(exchange, pack)
        data = _given(reply=reply.strip() if reply else None, call=call and dict(call), intent=intent,
                      articles=None if articles is None else list(articles), alone=alone or None)  # fmt: skip
        return await self._decide(exchange, "correct", chosen, data, note)

    async def good(self, id: str, *, intent: str | None = None, note: str = "") -> tuple[Review, bool]:
        """The reply is one to learn from. Raises as `correct` does, and ConfigError when no pack answered."""
        exchange = await self.store.reviews.exchange(id)
        return await self._decide(exchange, "good", self._pack(exchange, None), _given(intent=intent), note)

    async def mark_eval(
        self,
        id: str,
        expect: Mapping[str, Any],
        *,
        pack: str | None = None,
        intent: str | None = None,
        articles: tuple[str, ...] | None = None,
        note: str = "",
    ) -> tuple[Review, bool]:
        """From now on every adapter is asked this, and never learns it. `expect` is a suite's."""
        exchange = await self.store.reviews.exchange(id)
        shown = None if articles is None else list(articles)
        data = _given(expect=dict(expect), intent=intent, articles=shown)
        return await self._decide(exchange, "eval", self._pack(exchange, pack), data, note)

    async def reroute(self, id: str, pack: str | None, *, note: str = "") -> tuple[Review, bool]:
        """The message belongs to `pack` (None: to no pack of ours). The router learns it within seconds."""
        exchange = await self.store.reviews.exchange(id)
        if pack is not None:
            self.packs(pack)
        if pack == exchange.pack:
            where = pack or "no pack"
            raise ConfigError(
                f"the message went to {where} already", remedy="senmon inbox correct, or dismiss"
            )
        await self._teach_router(exchange, pack)
        return await self._keep(exchange, "reroute", pack, {}, note)

    async def dismiss(self, id: str, *, note: str = "") -> tuple[Review, bool]:
        """Nothing to learn here. What was taken into the pack before goes out at the next improvement."""
        exchange = await self.store.reviews.exchange(id)
        return await self._keep(exchange, "dismiss", _pack_before(exchange), {}, note)

    async def undo(self, id: str) -> Review | None:
        """The exchange waits again. What the router learnt stays: `senmon corrections drop`."""
        return await self.store.reviews.undo((await self.store.reviews.exchange(id)).run)

    # --- inside

    def _pack(self, exchange: Exchange, named: str | None) -> Pack:
        name = named or exchange.pack
        if name is None:
            raise ConfigError("no pack answered this message", remedy="--pack NAME: the one that should have")
        return self.packs(name)

    async def _decide(
        self, exchange: Exchange, kind: ReviewKind, pack: Pack, data: dict[str, Any], note: str
    ) -> tuple[Review, bool]:
        _check_articles(pack, data.get("articles") or ())
        draft = Review(exchange.run, kind, pack.name, data, self.reviewer, note, now())
        talk = await read_talk(self.store, exchange.conversation)
        data = {**data, "intent": intent_of(talk.turn(exchange.run), draft)}
        # Checks compute: beside the event loop, which may serve people meanwhile.
        faults = await asyncio.to_thread(faults_of, pack, talk, draft)
        if faults:
            remedy = "reword it, or say which articles it rests on (--article)"
            problems = [Problem(handle(exchange.run)[:8], 0, "", why, remedy) for why in faults]
            raise DataInvalid("This can't be learnt", problems)
        if exchange.pack != pack.name:
            await self._teach_router(exchange, pack.name)
        return await self._keep(exchange, kind, pack.name, data, note)

    async def _keep(
        self, exchange: Exchange, kind: ReviewKind, pack: str | None, data: dict[str, Any], note: str
    ) -> tuple[Review, bool]:
        return await self.store.reviews.decide(
            exchange.run, kind, pack=pack, data=data, reviewer=self.reviewer, note=note[:2000]
        )

    async def _teach_router(self, exchange: Exchange, pack: str | None) -> None:
        """Masked as well: the router keeps its corrections as text."""
        name = pack or exchange.pack
        if name is None or not exchange.text.strip():
            return
        owner = await self.store.reviews.owner(exchange.conversation)
        text = Mask(self.packs(name), owner).text(exchange.text)[:MAX_TEXT]
        propose(self.home, Correction(text, pack, exchange.pack, "accepted"))


def faults_of(pack: Pack, talk: Talk, review: Review) -> tuple[str, ...]:
    """Why what a decision teaches (or asks) can't be used; empty when it can."""
    if review.kind == "eval":
        return tuple(_expectation_faults(pack, talk, review))
    line = data_line(pack, talk, review, split="train")
    record = read_record(line.record, PackRules.of(pack), "")
    if not isinstance(record, Record):
        return tuple(f"{field}: {why} ({remedy})" for field, why, remedy in record)
    # The replies before it too: all of them would be learnt.
    return tuple(judge_of(pack)(record.messages))


def _expectation_faults(pack: Pack, talk: Talk, review: Review) -> list[str]:
    record = suite_line(pack, talk, review).record
    expect = record["expect"]
    try:
        KINDS[record["kind"]].model_validate(expect)
    except ValueError as error:
        return [f"expect: {error}"]
    if record["kind"] == "reply" and not any(
        expect.get(name) for name in ("contains", "absent", "references")
    ):
        return ["expect: nothing is expected (give --contains, --absent or --reference)"]
    if (
        expect.get("action") is not None
        and record["kind"] == "action"
        and expect["action"] not in pack.actions
    ):
        return [f"expect: the pack has no action {expect['action']!r}"]
    return []


def _check_articles(pack: Pack, named: Iterable[str]) -> None:
    known = sorted(article.id for article in pack.articles)
    for name in named:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3) or known[:10]
            raise ArticleNotFound(
                f"{pack.name} has no article {name!r}", remedy=f"for example {', '.join(near)}"
            )


def _pack_before(exchange: Exchange) -> str | None:
    return exchange.review.pack if exchange.review else exchange.pack


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
