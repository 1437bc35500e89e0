"""Several model servers: affinity, load bound, breaker, retries, adapters that come and go."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from fake_vllm import FakeVllm
from senmon.adapters import Adapter, AdapterCard
from senmon.engines import fleet as fleet_module
from senmon.engines.fleet import Fleet
from senmon.engines.fleet_adapters import Given, Loaded, Resolved, export
from senmon.engines.fleet_breaker import Breaker
from senmon.engines.fleet_choice import choose, ranked
from senmon.engines.fleet_names import adapter_model, check_servable
from senmon.errors import (
    AdapterError,
    AdapterNotFound,
    ConfigError,
    EngineBusy,
    EngineError,
    EngineUnavailable,
    SenmonError,
)

PATH = "/v1/completions"
Start = Callable[..., Awaitable[FakeVllm]]
Make = Callable[..., Fleet]


def adapter(folder: Path, pack: str = "shop", version: str = "1" * 64, **config: Any) -> Adapter:
    """A folder in PEFT's layout, as far as it is looked at before a server reads it."""
    tensor = config.pop("tensor", "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight")
    path = folder / "adapters" / pack / version
    path.mkdir(parents=True)
    header = json.dumps({tensor: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (path / "adapter_model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 4)
    peft = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "base_model_name_or_path": "embedded", **config}
    (path / "adapter_config.json").write_text(json.dumps(peft))
    card = AdapterCard(
        pack=pack, pack_version="0.2.0", base_digest="d" * 64, rank=4, alpha=8, target_modules=("q_proj",)
    )
    return Adapter(pack, version, path, card)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_module, "_PAUSE", 0.01)
    monkeypatch.setattr(fleet_module, "_ROUND", 0.02)


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    started: list[FakeVllm] = []

    async def one(**options: Any) -> FakeVllm:
        fake = FakeVllm(**options)
        await fake.start()
        started.append(fake)
        return fake

    yield one
    for fake in started:
        await fake.kill()


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    made: list[Fleet] = []

    def one(*fakes: FakeVllm, **options: Any) -> Fleet:
        options = {"bringer": Loaded(), "linger": 0.0, **options}
        made.append(Fleet([fake.url for fake in fakes], **options))
        return made[-1]

    yield one
    for fleet in made:
        await fleet.close()


def text_of(data: Mapping[str, Any]) -> str:
    return "".join(choice.get("text", "") for choice in data["choices"])


async def say(fleet: Fleet, who: Adapter | None = None) -> str:
    return "".join([text_of(data) async for data in fleet.objects(PATH, {"prompt": [1]}, who)])


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.01)


# --- the breaker


def test_a_breaker_opens_tries_once_and_closes() -> None:
    now = [0.0]
    breaker = Breaker(clock=lambda: now[0])
    for _ in range(2):
        breaker.begin()
        breaker.bad()
    assert breaker.state == "closed"
    breaker.bad()
    assert (breaker.state, breaker.allows, breaker.remaining) == ("open", False, 1.0)
    now[0] = 1.0
    assert breaker.allows
    breaker.begin()
    assert (breaker.state, breaker.allows) == ("half-open", False)
    breaker.bad()
    assert (breaker.state, breaker.remaining) == ("open", 2.0)
    now[0] = 3.0
    breaker.begin()
    breaker.unsure()
    assert breaker.allows
    breaker.begin()
    breaker.good()
    assert (breaker.state, breaker.allows) == ("closed", True)


def test_a_breaker_waits_half_a_minute_at_most_and_ends_at_a_sign_of_life() -> None:
    now = [0.0]
    breaker = Breaker(limit=1, clock=lambda: now[0])
    for _ in range(12):
        breaker.bad()
        now[0] += breaker.remaining
    breaker.bad()
    assert breaker.remaining == 30.0
    breaker.try_now()
    assert breaker.state == "half-open"


# --- the choice


class Server:
    def __init__(self, name: str, active: int = 0) -> None:
        self.name, self.active = name, active


def test_an_adapter_stays_with_its_server_and_only_those_of_a_lost_one_move() -> None:
    servers = [Server(f"s{number}") for number in range(5)]
    keys = [f"pack{number}@1" for number in range(200)]
    homes = {key: ranked(key, servers)[0] for key in keys}
    assert len(set(homes.values())) == 5
    assert {key: ranked(key, servers[::-1])[0] for key in keys} == homes
    left = servers[1:]
    assert all(ranked(key, left)[0] is home for key, home in homes.items() if home is not servers[0])


def test_a_server_takes_no_more_than_its_share() -> None:
    servers = [Server("a"), Server("b"), Server("c")]
    home, second, _ = ranked("shop", servers)
    assert choose("shop", servers, limit=9) is home
    home.active = 4
    assert choose("shop", servers, limit=9) is second
    second.active = 9
    home.active = 9
    assert choose("shop", servers, limit=9) is ranked("shop", servers)[2]
    assert choose("", [Server("a", 3), least := Server("b", 1)], limit=9) is least
    assert choose("shop", [Server("a", 9)], limit=9) is None


# --- adapters


async def test_an_adapter_is_loaded_once_and_keeps_its_server(
    start: Start, make: Make, tmp_path: Path
) -> None:
    fakes = [await start() for _ in range(3)]
    fleet, shop = make(*fakes, linger=60.0), adapter(tmp_path)
    said = await asyncio.gather(*(say(fleet, shop) for _ in range(2)))
    assert said == ["one two three"] * 2
    for _ in range(6):
        await say(fleet, shop)
    used = [fake for fake in fakes if fake.asked]
    assert sum(len(fake.asked) for fake in fakes) == 8
    assert all(fake.changes == [("load", "shop@0.2.0-111111111111")] for fake in used)
    home = ranked(adapter_model(shop), fleet.replicas)[0].name
    assert max(used, key=lambda fake: len(fake.asked)).url.endswith(home)
    assert {body["model"] for fake in used for body in fake.asked} == {"shop@0.2.0-111111111111"}


async def test_a_server_that_was_started_anew_gets_its_adapters_back(
    start: Start, make: Make, tmp_path: Path
) -> None:
    fake = await start()
    fleet, shop = make(fake), adapter(tmp_path)
    await fleet.hold([shop])
    fake.loras.clear()  # between two looks: only its 404 tells
    assert await say(fleet, shop) == "one two three"
    await fake.kill()
    with pytest.raises(EngineUnavailable):
        await say(fleet, shop)
    await fake.start()
    await until(lambda: bool(fake.loras))  # nobody asked for it
    assert await say(fleet, shop) == "one two three"
    assert all(body["model"] != "embedded" for body in fake.asked)


@pytest.mark.parametrize(
    ("options", "config", "error", "remedy"),
    [
        ({"updating": False}, {}, AdapterNotFound, "VLLM_ALLOW_RUNTIME_LORA_UPDATING"),
        ({}, {"gone": True}, AdapterNotFound, "SENMON_ENGINE_LORA_PATH"),
        ({}, {"r": 64}, AdapterError, "log"),
        ({}, {"rank_pattern": {"q_proj": 2}}, AdapterError, "engine=local"),
        ({}, {"tensor": "base_model.model.model.embed_tokens.lora_embedding_A"}, AdapterError, "plain LoRA"),
    ],
)
async def test_what_can_not_be_served_is_an_error_and_never_the_base(
    start: Start,
    make: Make,
    tmp_path: Path,
    options: dict[str, Any],
    config: dict[str, Any],
    error: type[SenmonError],
    remedy: str,
) -> None:
    fake = await start(**options)
    gone = config.pop("gone", False)
    fleet, shop = make(fake), adapter(tmp_path, **config)
    if gone:
        fleet = make(fake, bringer=Loaded(tmp_path / "adapters", "/elsewhere"))
    with pytest.raises(error) as asked:
        await say(fleet, shop)
    with pytest.raises(error):
        await fleet.hold([shop])
    assert remedy in asked.value.remedy
    assert shop.label in asked.value.message
    assert fake.asked == []


async def test_adapters_of_the_operator_must_be_listed(start: Start, make: Make, tmp_path: Path) -> None:
    fake = await start()
    fleet, shop = make(fake, bringer=Given()), adapter(tmp_path)
    with pytest.raises(AdapterNotFound) as caught:
        await say(fleet, shop)
    assert "shop@0.2.0-111111111111" in caught.value.message and "load" in caught.value.remedy
    assert fake.asked == [] and fake.changes == []
    fake.loras["shop@0.2.0-111111111111"] = "/by/hand"
    assert await say(fleet, shop) == "one two three"


async def test_an_answer_in_another_name_is_an_error(start: Start, make: Make, tmp_path: Path) -> None:
    fake = await start()
    fake.answers_as = "embedded"
    with pytest.raises(EngineError, match="answered as 'embedded'"):
        await say(make(fake), adapter(tmp_path))


async def test_a_promotion_under_load_fails_no_request(start: Start, make: Make, tmp_path: Path) -> None:
    """Loaded, switched, and unloaded when the last answer has ended: the fake refuses to unload before."""
    fakes = [await start(), await start()]
    for fake in fakes:
        fake.gap = 0.01
    fleet = make(*fakes)
    old, new = adapter(tmp_path), adapter(tmp_path, version="2" * 64)
    serving = {"now": old}
    await fleet.hold([old])
    said: list[str] = []
    stop = asyncio.Event()

    async def visitor() -> None:
        while not stop.is_set():
            said.append(await say(fleet, serving["now"]))

    async with asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(visitor())
        await until(lambda: len(said) > 12)
        for version in (new, old, new):
            await fleet.hold([version])
            assert adapter_model(version) in fakes[0].loras
            serving["now"] = version
            seen = len(said)
            await until(lambda seen=seen: len(said) > seen + 12)  # type: ignore[misc]
        stop.set()
    assert set(said) == {"one two three"}
    await until(lambda: all(list(fake.loras) == [adapter_model(new)] for fake in fakes))
    assert fleet.stats().failed == 0
    assert ("unload", adapter_model(old)) in fakes[0].changes


async def test_an_old_adapter_comes_back_for_a_turn_that_still_needs_it(
    start: Start, make: Make, tmp_path: Path
) -> None:
    fake = await start()
    fleet, old, new = make(fake), adapter(tmp_path), adapter(tmp_path, version="2" * 64)
    await fleet.hold([old])
    await fleet.hold([new])
    await until(lambda: list(fake.loras) == [adapter_model(new)])
    assert await say(fleet, old) == "one two three"


# --- faults


async def test_a_server_that_dies_before_the_first_word_is_replaced(
    start: Start, make: Make, tmp_path: Path
) -> None:
    fakes = [await start(), await start()]
    fleet, shop = make(*fakes), adapter(tmp_path)
    home = ranked(adapter_model(shop), fleet.replicas)[0].name
    dying = next(fake for fake in fakes if fake.url.endswith(home))
    dying.cut_after = 0
    assert await say(fleet, shop) == "one two three"
    assert fleet.stats().retries == 1
    await dying.kill()
    assert [await say(fleet, shop) for _ in range(4)] == ["one two three"] * 4
    assert fleet.stats().replicas_open == 1  # three faults: it is left alone
    retries = fleet.stats().retries
    await say(fleet, shop)
    assert fleet.stats().retries == retries


async def test_a_server_that_dies_after_the_first_word_ends_the_reply(start: Start, make: Make) -> None:
    fakes = [await start(), await start()]
    for fake in fakes:
        fake.gap = 0.05
    fleet, said = make(*fakes), ""
    with pytest.raises(EngineUnavailable, match="broke off"):
        async for data in fleet.objects(PATH, {"prompt": [1]}):
            said += text_of(data)
            await next(fake for fake in fakes if fake.asked).kill()
    assert said == "one "
    assert sum(len(fake.asked) for fake in fakes) == 1


@pytest.mark.parametrize("finish", ["abort", "error", None])
async def test_an_answer_without_an_end_is_no_short_answer(
    start: Start, make: Make, finish: str | None
) -> None:
    fake = await start()
    fake.finish = finish  # type: ignore[assignment]
    with pytest.raises(EngineUnavailable):
        await say(make(fake))
    assert len(fake.asked) == 1


async def test_a_server_comes_back(start: Start, make: Make) -> None:
    fake = await start()
    fleet = make(fake)
    await fake.kill()
    with pytest.raises(EngineUnavailable):
        await say(fleet)
    with pytest.raises(EngineUnavailable, match="no model server can be used just now"):
        await say(fleet)
    assert fleet.stats().slots == 0
    await fake.start()
    await until(lambda: fleet.replicas[0].breaker.allows)
    assert await say(fleet) == "one two three"
    assert fleet.replicas[0].breaker.state == "closed"


async def test_a_busy_server_sends_requests_on_and_all_busy_is_said(start: Start, make: Make) -> None:
    fakes = [await start(), await start()]
    fakes[0].refuse = (429, {"error": {"message": "slow down"}})
    fleet = make(*fakes)
    assert await say(fleet) == await say(fleet) == "one two three"
    fakes[1].refuse = (429, {"error": {"message": "slow down"}})
    with pytest.raises(EngineBusy):
        await say(fleet)
    assert all(replica.breaker.state == "closed" for replica in fleet.replicas)


async def test_requests_beyond_the_limit_wait_and_beyond_the_queue_are_refused(
    start: Start, make: Make
) -> None:
    fake = await start()
    fake.gap = 0.02
    fleet = make(fake, streams=1, queue=1)
    first = asyncio.create_task(say(fleet))
    await until(lambda: fleet.stats().active == 1)
    second = asyncio.create_task(say(fleet))
    await until(lambda: fleet.stats().waiting == 1)
    with pytest.raises(EngineBusy, match="1 wait"):
        await say(fleet)
    assert await first == await second == "one two three"
    assert (fleet.stats().active, fleet.stats().failed) == (0, 1)


async def test_a_caller_who_leaves_frees_the_place_and_blames_nobody(start: Start, make: Make) -> None:
    fake = await start()
    fake.gap = 0.05
    fleet = make(fake, streams=1)
    found = fleet.objects(PATH, {"prompt": [1]})
    assert text_of(await anext(found)) == "one "
    await found.aclose()
    assert (fleet.stats().active, fleet.stats().cancelled, fleet.stats().failed) == (0, 1, 0)
    assert fleet.replicas[0].breaker.state == "closed"


async def test_the_key_is_in_no_message_and_in_no_log(
    start: Start, make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fake = await start()
    fake.refuse = (401, {"error": {"message": "Incorrect API key provided: very-secret and sk-abcdef123456"}})
    fleet = make(fake, api_key="very-secret")
    with pytest.raises(EngineUnavailable) as caught:
        await say(fleet, adapter(tmp_path))
    told = str(caught.value) + caplog.text
    assert "very-secret" not in told and "abcdef" not in told
    for url in ("http://me:very-secret@host", "ftp://host", "host:80", "http://", "http://h?key=very-secret"):
        with pytest.raises(ConfigError) as refused:
            Fleet([url])
        assert "very-secret" not in str(refused.value)


# --- the resolver


async def test_the_resolver_finds_what_was_laid_out_for_it(start: Start, make: Make, tmp_path: Path) -> None:
    fake = await start(root="/models/base")
    shop = adapter(tmp_path)
    fleet = make(fake, bringer=Resolved(tmp_path / "vllm"))
    with pytest.raises(AdapterNotFound) as caught:
        await say(fleet, shop)
    assert "VLLM_LORA_RESOLVER_CACHE_DIR" in caught.value.remedy
    fake.resolver = tmp_path / "vllm"
    await fleet.hold([shop])
    assert await say(fleet, shop) == "one two three"
    assert fake.changes == []
    laid = tmp_path / "vllm" / adapter_model(shop)
    assert sorted(path.name for path in laid.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert json.loads((laid / "adapter_config.json").read_text())["base_model_name_or_path"] == "/models/base"
    before = (laid / "adapter_config.json").stat().st_mtime_ns
    assert export(shop, tmp_path / "vllm", "/models/base") == laid
    assert (laid / "adapter_config.json").stat().st_mtime_ns == before


def test_names_are_safe_and_say_the_version(tmp_path: Path) -> None:
    shop = adapter(tmp_path)
    odd = Adapter("shop", "ab" * 32, shop.path, shop.card.model_copy(update={"pack_version": "../1 2/é"}))
    assert adapter_model(odd) == "shop@.._1_2__-abababababab"
    bare = Adapter("shop", "ab" * 32, shop.path, shop.card.model_copy(update={"pack_version": ""}))
    assert adapter_model(bare) == "shop@abababababab"
    check_servable(shop)
