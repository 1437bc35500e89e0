"""Learning without people: the checks decide, and only where nobody else had something to say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from senmon.engines.protocol import Chunk, GenerateRequest
from senmon.improvement.sampling import REVIEWER, sampled
from senmon.improvement.screening import planned
from senmon.messages import Event

RIGHT = "We open at [[article.opening]] and close at [[article.closing]]."
REFUSED = Event("verdict", {"check": "grounded", "outcome": "repair"}, {"reason": "5 am"})


class Sampler:
    """Says something else with each seed."""

    base_digest = ""

    def __init__(self, *says: str, finish: str = "stop") -> None:
        self.says, self.finish, self.asked = says, finish, list[GenerateRequest]()

    async def generate(self, request: GenerateRequest) -> AsyncIterator[Chunk]:
        self.asked.append(request)
        text = self.says[(request.sampling.seed - 1) % len(self.says)]
        yield Chunk(text[:4])
        yield Chunk(text[4:], finish=self.finish)  # type: ignore[arg-type]

    async def close(self) -> None: ...


async def run(stage: Any, engine: Sampler, tries: int = 6) -> Any:
    return await sampled(stage.pack, stage.desk(REVIEWER), engine=engine, adapter=None, tries=tries)


async def test_what_passes_and_is_agreed_on_is_learnt(stage: Any) -> None:
    text = "at what time can my mother come by"
    refused = await stage.turn(text, "Hm.", articles=("hours",), extra=(REFUSED, REFUSED))
    engine = Sampler("We open at 5 am.", RIGHT, RIGHT, "Closed at [[article.lunch]].", "", RIGHT)
    found = await run(stage, engine)
    assert (found.tried, found.kept) == (1, 1)
    exchange = await stage.store.reviews.exchange(refused)
    assert exchange.review is not None
    assert (exchange.review.reviewer, exchange.review.data["reply"]) == (REVIEWER, RIGHT)
    assert exchange.review.note == "3 of 6 samples pass the checks and agree"
    asked = engine.asked[0]
    assert {each.sampling.seed for each in engine.asked} == set(range(1, 7))
    assert asked.sampling.temperature > 0 and "9 am" in asked.messages[-1].content
    plan = await planned(stage.pack, stage.store, hold_out=0)
    (line,) = plan.added
    assert line.record["origin"].endswith(":checks")


async def test_what_people_said_is_left_to_people(stage: Any) -> None:
    disliked = await stage.turn("when do you open", "Hm.", articles=("hours",), extra=(REFUSED,))
    await stage.thumb(disliked)
    fine = await stage.turn("what are your hours", RIGHT, articles=("hours",))
    found = await run(stage, Sampler(RIGHT))
    assert (found.tried, found.kept) == (0, 0)
    for each in (disliked, fine):
        assert (await stage.store.reviews.exchange(each)).review is None


async def test_without_agreement_or_an_end_nothing_is_decided(stage: Any) -> None:
    refused = await stage.turn("when do you open", "Hm.", articles=("hours",), extra=(REFUSED,))
    for engine in (
        Sampler("Ask inside.", "At the door."),
        Sampler(RIGHT, finish="length"),
        Sampler("At 5 am."),
    ):
        found = await run(stage, engine, tries=2)
        assert (found.tried, found.kept) == (1, 0)
    assert (await stage.store.reviews.exchange(refused)).review is None
