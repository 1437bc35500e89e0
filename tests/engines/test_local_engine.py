"""The local engine against PEFT, and what a queue, a cache and a closing door must do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from enginekit import Reference, ask, replies, reply
from senmon.adapters import Adapter
from senmon.engines.local import MIN_REPLY_TOKENS, LocalEngine
from senmon.errors import EngineBusy, EngineUnavailable, PromptTooLong
from senmon.messages import Message, Usage

Make = Callable[..., LocalEngine]
LONG = "Tell me about " + "tomatoes and beans and " * 60


async def test_tokens_are_those_of_peft_for_mixed_adapters_arriving_one_after_another(
    make_engine: Make, adapters: tuple[Adapter, ...], reference: Reference
) -> None:
    a, b, c = adapters
    requests = [
        ask("hello", a),
        ask("where is my order A1001?", b),
        ask("how long can I return a rake", None, max_tokens=40),
        ask(LONG, c),
        ask("opening hours?", a, max_tokens=5),
        ask("and on sundays", b, max_tokens=33),
        ask("seeds", c),
        ask("thank you very much", None, released="You are"),
    ]
    engine = make_engine(prefill_chunk=48)
    found = await replies(engine, requests, gap=0.02)
    for request, one in zip(requests, found, strict=True):
        ids = reference.ids(request)
        assert one.text == reference.text(ids, engine._vocabulary), request.messages[-1].content[:40]
        assert one.usage.completion_tokens == len(ids)
    assert len({one.text for one in found}) == len(found)


async def test_more_requests_than_slots_all_get_their_own_reply(
    make_engine: Make, adapters: tuple[Adapter, ...], reference: Reference
) -> None:
    requests = [ask(f"question {i}", adapters[i % 3], max_tokens=3 + 5 * (i % 4)) for i in range(9)]
    engine = make_engine(slots=3)
    for request, one in zip(requests, await replies(engine, requests), strict=True):
        assert one.text == reference.text(reference.ids(request), engine._vocabulary)
    assert engine.stats().active == 0


async def test_the_next_turn_takes_its_history_from_the_cache_and_says_the_same(
    make_engine: Make, adapters: tuple[Adapter, ...]
) -> None:
    warm, cold = make_engine(), make_engine(prefix_cache_tokens=0)
    first = ask(LONG, adapters[0])
    said = await reply(warm, first)
    assert said.usage.cached_tokens == 0
    turn = (Message("assistant", said.text), Message("user", "and cucumbers?"))
    second = replace(first, messages=first.messages + turn)
    cached, plain = await reply(warm, second), await reply(cold, second)
    assert cached.usage.cached_tokens >= said.usage.prompt_tokens // 16 * 16
    assert plain.usage.cached_tokens == 0
    assert cached.text == plain.text


async def test_a_prefix_is_never_shared_across_adapters_and_one_token_is_recomputed(
    make_engine: Make, adapters: tuple[Adapter, ...]
) -> None:
    engine = make_engine()
    one = await reply(engine, ask(LONG, adapters[0]))
    again = await reply(engine, ask(LONG, adapters[0]))
    other = await reply(engine, ask(LONG, adapters[1]))
    bare = await reply(engine, ask(LONG))
    assert 0 < again.usage.cached_tokens < again.usage.prompt_tokens
    assert other.usage.cached_tokens == bare.usage.cached_tokens == 0
    assert again.text == one.text != other.text


async def test_a_prompt_that_parts_in_mid_block_takes_the_block_s_beginning(
    make_engine: Make, adapters: tuple[Adapter, ...]
) -> None:
    warm, cold = make_engine(), make_engine(prefix_cache_tokens=0)
    await reply(warm, ask(LONG, adapters[0]))
    counts = set()
    for ending in ("", " and", " and peas", " and some peas too"):
        other = ask(f"{LONG[: len(LONG) // 2]}{ending} but no carrots", adapters[0])
        found, plain = await reply(warm, other), await reply(cold, other)
        assert found.text == plain.text
        counts.add(found.usage.cached_tokens % 16)
    assert counts != {0}


async def test_the_prefix_cache_stays_within_its_tokens(make_engine: Make) -> None:
    engine = make_engine(prefix_cache_tokens=256)
    for index in range(4):
        await reply(engine, ask(f"{index} {LONG}", max_tokens=1))
    assert 0 < engine.stats().prefix_blocks <= 16


async def test_closing_the_iterator_frees_the_slot_for_the_one_who_waits(make_engine: Make) -> None:
    engine = make_engine(slots=1)
    stream = engine.generate(ask("hello", max_tokens=900))
    async for chunk in stream:
        if chunk.text:
            break
    waiting = asyncio.create_task(reply(engine, ask("next", max_tokens=2)))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await stream.aclose()
    assert (await asyncio.wait_for(waiting, 5)).finish == "length"
    stats = engine.stats()
    assert (stats.cancelled, stats.active, stats.waiting) == (1, 0, 0)
    assert stats.completion_tokens < 900


async def test_cancelled_tasks_give_their_places_back(make_engine: Make) -> None:
    engine = make_engine(slots=1, queue=2)
    tasks = [asyncio.create_task(reply(engine, ask(f"q{i}", max_tokens=900))) for i in range(3)]
    await asyncio.sleep(0.1)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0.3)
    assert engine.stats().active == engine.stats().waiting == 0
    assert (await reply(engine, ask("still there?", max_tokens=2))).finish == "length"


async def test_a_full_queue_is_refused_with_a_time_to_come_back(make_engine: Make) -> None:
    engine = make_engine(slots=1, queue=1)
    running = [asyncio.create_task(reply(engine, ask(f"q{i}", max_tokens=60))) for i in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(EngineBusy) as caught:
        await reply(engine, ask("one too many"))
    assert caught.value.retry_after > 0
    await asyncio.gather(*running)
    assert (await reply(engine, ask("now", max_tokens=2))).finish == "length"


async def test_stop_strings_end_the_reply_and_never_leak(make_engine: Make) -> None:
    engine = make_engine()
    whole = (await reply(engine, ask("hello", max_tokens=40))).text
    stop = whole[7:14]
    found = await reply(engine, ask("hello", max_tokens=40, stop=(stop, "never said")))
    assert found.finish == "stop"
    assert found.text == whole[: whole.index(stop)]


async def test_a_seed_repeats_whatever_else_runs(make_engine: Make, adapters: tuple[Adapter, ...]) -> None:
    engine = make_engine()
    wanted = ask("surprise me", adapters[0], temperature=1.3, top_p=0.9, seed=11)
    alone = await reply(engine, wanted)
    noise = [ask(f"noise {i}", adapters[i % 3], temperature=0.9, seed=i) for i in range(6)]
    crowd = await replies(engine, [*noise[:3], wanted, *noise[3:]], gap=0.005)
    assert crowd[3].text == alone.text
    other = await reply(engine, replace(wanted, sampling=replace(wanted.sampling, seed=12)))
    assert other.text != alone.text


async def test_a_prompt_that_does_not_fit_is_refused_before_anything_runs(make_engine: Make) -> None:
    engine = make_engine(context=200)
    with pytest.raises(PromptTooLong, match="184 fit"):
        await reply(engine, ask(LONG))
    assert engine.stats().requests == 0


async def test_a_reply_ends_at_the_edge_of_the_context(make_engine: Make) -> None:
    engine = make_engine(context=120)
    found = await reply(engine, ask("hello", max_tokens=1000))
    assert found.finish == "length"
    assert found.usage.prompt_tokens + found.usage.completion_tokens == 120
    assert found.usage.completion_tokens > MIN_REPLY_TOKENS


async def test_no_tokens_wanted_no_tokens_made(make_engine: Make) -> None:
    found = await reply(make_engine(), ask("hello", max_tokens=0))
    assert (found.text, found.finish, found.usage.completion_tokens) == ("", "length", 0)


async def test_closing_ends_running_waiting_and_later_requests(make_engine: Make) -> None:
    engine = make_engine(slots=1)
    tasks = [asyncio.create_task(reply(engine, ask(f"q{i}", max_tokens=900))) for i in range(3)]
    await asyncio.sleep(0.1)
    await asyncio.wait_for(engine.close(), 5)
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(outcome, EngineUnavailable)
    with pytest.raises(EngineUnavailable):
        await reply(engine, ask("too late"))
    await engine.close()


async def test_a_fault_inside_the_model_ends_its_requests_and_not_the_engine(
    make_engine: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine()
    before = await reply(engine, ask("hello"))
    with monkeypatch.context() as patch:

        def broken(*_: object) -> None:
            raise RuntimeError("out of memory")

        patch.setattr(engine._model, "decode", broken)
        with pytest.raises(EngineUnavailable, match="out of memory"):
            await reply(engine, ask("hello"))
    assert (await reply(engine, ask("hello"))).text == before.text
    assert engine.stats().failed == 1


async def test_values_that_are_not_finite_do_not_spoil_the_slot(
    make_engine: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(slots=1, prefix_cache_tokens=0)
    before = await reply(engine, ask("hello"))
    with monkeypatch.context() as patch:
        extend = engine._model.extend

        def poisoned(slot: int, ids: list[int], *rest: object, **more: object) -> object:
            logits = extend(slot, ids, *rest, **more)  # type: ignore[arg-type]
            engine._model.slots._store[:, :, slot] = float("nan")
            return logits * float("nan")

        patch.setattr(engine._model, "extend", poisoned)
        with pytest.raises(EngineUnavailable):
            await reply(engine, ask(LONG))
    assert (await reply(engine, ask("hello"))).text == before.text


async def test_decoding_rows_do_not_wait_for_a_long_prompt(make_engine: Make) -> None:
    engine = make_engine(slots=2, prefill_chunk=16, prefix_cache_tokens=0)
    stream = engine.generate(ask("hello", max_tokens=200))
    await anext(stream)
    long = asyncio.create_task(reply(engine, ask(LONG, max_tokens=1)))
    during = 0
    async for _ in stream:
        during += not long.done()
        if long.done():
            break
    await stream.aclose()
    await long
    assert during >= 5


async def test_the_figures_add_up(make_engine: Make) -> None:
    engine = make_engine()
    started = time.monotonic()
    found = await replies(engine, [ask(f"q{i}") for i in range(3)])
    stats = engine.stats()
    assert stats.requests == 3
    assert stats.completion_tokens == sum(one.usage.completion_tokens for one in found)
    assert stats.prompt_tokens == sum(one.usage.prompt_tokens for one in found)
    assert stats.cached_tokens == sum(one.usage.cached_tokens for one in found)
    assert stats.tokens_per_second > 0
    assert time.monotonic() - started < 30


async def test_a_reply_says_how_probable_its_words_were(make_engine: Make, reference: Reference) -> None:
    """As a plain forward pass has it; alone and beside others."""
    request = ask("When do you open?", max_tokens=6)
    engine = make_engine()
    beside = await replies(engine, [request, ask("And now?", max_tokens=9)])
    usages = [(await reply(engine, request)).usage, beside[0].usage]
    ids = reference.ids(request)
    prompt = reference.renderer.prompt(request.messages, released="")
    logits = reference.plain(torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1].detach()
    logits[:, sorted(reference.renderer.forbidden_ids)] = -torch.inf
    for usage in usages:
        assert usage.weighed == usage.completion_tokens == len(ids)
        wanted = -logits.log_softmax(-1).gather(1, torch.tensor(ids)[:, None]).sum()
        assert usage.nats == pytest.approx(float(wanted), rel=1e-3)
    assert (usages[0] + usages[1]).confidence == pytest.approx(usages[0].confidence, rel=1e-3)
    assert Usage(3, 2).confidence is None
