"""Actions of a pack in process: who may, with which arguments, within which bounds."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from senmon.actions.arguments import check_arguments
from senmon.actions.runner import ActionRequest, ActionRunner
from senmon.actions.worker_thread import WorkerThreads
from senmon.errors import (
    ActionDenied,
    ActionFailed,
    ActionRejected,
    ActionUnknown,
    PackCodeNotAllowed,
)
from senmon.messages import Identity, Message
from senmon.packs.loader import load_pack
from senmon.packs.manifest import ActionSpec
from senmon.packs.pack import Pack

CODE = """
import asyncio, time
from rasa_sdk import Action, ActionExecutionRejection
from rasa_sdk.events import (ActiveLoop, AllSlotsReset, ConversationPaused, FollowupAction,
                             ReminderCancelled, SlotSet)


class Echo(Action):
    def name(self):
        return "echo"

    def run(self, dispatcher, tracker, domain):
        dispatcher.utter_message(text="one", json_message={"order": {"id": tracker.get_slot("order_id")}})
        dispatcher.utter_message(json_message={
            "customer": tracker.get_slot("customer_id"),
            "said": tracker.latest_message["text"],
            "entity": next(tracker.get_latest_entity_values("order_id"), None),
            "events": [e["event"] for e in tracker.events],
            "known": sorted(domain["actions"])[:1],
        })
        tracker.slots["cart"] = "changed in place"
        return [SlotSet("last_order", tracker.get_slot("order_id")), SlotSet("customer_id", "mallory")]


class Slow(Action):
    def name(self):
        return "slow"

    def run(self, dispatcher, tracker, domain):
        time.sleep(3)


class SlowAsync(Action):
    def name(self):
        return "slow_async"

    async def run(self, dispatcher, tracker, domain):
        time.sleep(0.4)
        dispatcher.utter_message(text="awake", buttons=[{"title": "Yes", "payload": "yes"}])
        return []


class Broken(Action):
    def name(self):
        return "broken"

    async def run(self, dispatcher, tracker, domain):
        raise ValueError("password is hunter2")


class Refusing(Action):
    def name(self):
        return "refusing"

    async def run(self, dispatcher, tracker, domain):
        raise ActionExecutionRejection(self.name(), "secret reason")


class Leaving(Action):
    def name(self):
        return "leaving"

    def run(self, dispatcher, tracker, domain):
        raise SystemExit(3)


class Large(Action):
    def name(self):
        return "large"

    def run(self, dispatcher, tracker, domain):
        dispatcher.utter_message(json_message={"x": "y" * 70000})


class NotJson(Action):
    def name(self):
        return "not_json"

    def run(self, dispatcher, tracker, domain):
        dispatcher.utter_message(json_message={"x": object()})


class Garbage(Action):
    def name(self):
        return "garbage"

    def run(self, dispatcher, tracker, domain):
        return "done"


class Form(Action):
    def name(self):
        return "form"

    def run(self, dispatcher, tracker, domain):
        return [ActiveLoop("order_form")]


class EndOfForm(Action):
    def name(self):
        return "end_of_form"

    def run(self, dispatcher, tracker, domain):
        return [ActiveLoop(None), ReminderCancelled(name="x"), SlotSet("done", True)]


class Person(Action):
    def name(self):
        return "person"

    def run(self, dispatcher, tracker, domain):
        dispatcher.utter_message(json_message={"handoff": "wants a person"})


class Pausing(Action):
    def name(self):
        return "pausing"

    def run(self, dispatcher, tracker, domain):
        return [ConversationPaused()]


class First(Action):
    def name(self):
        return "first"

    def run(self, dispatcher, tracker, domain):
        return [AllSlotsReset(), SlotSet("step", 1), FollowupAction("second")]


class Second(Action):
    def name(self):
        return "second"

    def run(self, dispatcher, tracker, domain):
        slots = {name: tracker.get_slot(name) for name in ("step", "cart")}
        dispatcher.utter_message(json_message={**slots, "customer": tracker.get_slot("customer_id")})
        return [FollowupAction("utter_bye")]


class Loop(Action):
    def name(self):
        return "loop"

    def run(self, dispatcher, tracker, domain):
        return [FollowupAction("loop")]


class Sneaky(Action):
    def name(self):
        return "sneaky"

    def run(self, dispatcher, tracker, domain):
        return [FollowupAction("echo")]


class Says(Action):
    def name(self):
        return "says"

    def run(self, dispatcher, tracker, domain):
        dispatcher.utter_message(response="utter_eta", eta="Tuesday")


class SaysUnknown(Action):
    def name(self):
        return "says_unknown"

    def run(self, dispatcher, tracker, domain):
        dispatcher.utter_message(response="utter_none")


class Streams(Action):
    def name(self):
        return "streams"

    async def run(self, dispatcher, tracker, domain):
        await dispatcher.stream_start()
        await dispatcher.stream_chunk(text="half ")
        await dispatcher.stream_chunk(text="a reply")
"""
RESPONSES = """
version: "3.1"
responses:
  utter_eta:
    - text: "It comes {eta}, {order_id}. {unknown}"
      buttons: [{title: "Track {order_id}", payload: track}]
  utter_bye:
    - channel: slack
      text: "Slack bye"
    - text: "Bye"
"""
PARAMETERS = {
    "type": "object",
    "properties": {"order_id": {"type": "string", "maxLength": 8}, "count": {"type": "integer"}},
}
NAMES = (
    "slow",
    "slow_async",
    "broken",
    "refusing",
    "leaving",
    "large",
    "not_json",
    "garbage",
    "form",
    "end_of_form",
    "person",
    "pausing",
    "first",
    "loop",
    "sneaky",
    "says",
    "says_unknown",
    "streams",
)
CUSTOMER = Identity(customer="demo")


def spec(name: str, **fields: Any) -> ActionSpec:
    return ActionSpec(name=name, description="x", **{"parameters": PARAMETERS, **fields})


def make_pack(folder: Path, code: str = CODE, specs: tuple[ActionSpec, ...] = ()) -> Pack:
    specs = specs or (spec("echo", identity="customer"), *(spec(name) for name in NAMES))
    manifest = {
        "name": "shop",
        "title": "Shop",
        "description": "A shop.",
        "licence": "Apache-2.0",
        "actions": {"specs": [each.model_dump() for each in specs]},
    }
    folder = folder / "shop"
    folder.mkdir(exist_ok=True)
    (folder / "pack.yaml").write_text(json.dumps(manifest), encoding="utf-8")
    (folder / "system.md").write_text("Help.", encoding="utf-8")
    (folder / "actions.py").write_text(code, encoding="utf-8")
    (folder / "responses.yml").write_text(RESPONSES, encoding="utf-8")
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / "x.jsonl").write_text("", encoding="utf-8")
    return load_pack(folder)


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    return make_pack(tmp_path)


@pytest.fixture
def runner() -> ActionRunner:
    return ActionRunner(lambda pack: True)


@pytest.fixture
def call(pack: Pack, runner: ActionRunner) -> Callable[..., Any]:
    def run(name: str, arguments: dict[str, Any] | None = None, **fields: Any) -> Any:
        request = ActionRequest(pack=pack, spec=pack.actions[name], arguments=arguments or {}, **fields)
        return runner.run(request)

    return run


async def test_result_is_the_merged_custom_json_and_the_tracker_is_real(call: Callable[..., Any]) -> None:
    slots = {"cart": "full", "customer_id": "stale"}
    messages = (Message("user", "hello"), Message("assistant", "hi"), Message("user", "where is A1001?"))
    outcome = await call("echo", {"order_id": "A1001"}, identity=CUSTOMER, messages=messages, slots=slots)
    assert outcome.result == {
        "order": {"id": "A1001"},
        "customer": "demo",
        "said": "where is A1001?",
        "entity": "A1001",
        "events": ["user", "bot", "user", "slot"],
        "known": ["broken"],
    }
    assert outcome.texts == ("one",)
    assert outcome.slots == {"last_order": "A1001"}  # the customer is never set by an action
    assert slots == {"cart": "full", "customer_id": "stale"}
    assert outcome.handoff is None


async def test_identity_comes_before_everything_else(call: Callable[..., Any], pack: Pack) -> None:
    with pytest.raises(ActionDenied):
        await call("echo", {"nonsense": 1})
    with pytest.raises(ActionDenied):
        await call("echo", slots={"customer_id": "demo"})
    with pytest.raises(ActionDenied):  # nor by way of a followup
        await call("sneaky")
    assert (await call("sneaky", identity=CUSTOMER)).result["customer"] == "demo"


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"customer_id": "demo"}, "customer_id"),
        ({"order_id": 5}, "order_id"),
        ({"order_id": "A" * 9}, "order_id"),
        ({"other": 1}, "other"),
        ({"count": 1.5}, "count"),
        ({"order_id": "x" * 9000}, ""),
        ({"order_id": float("nan")}, ""),
    ],
)
async def test_wrong_arguments_are_rejected(
    call: Callable[..., Any], arguments: dict[str, Any], field: str
) -> None:
    with pytest.raises(ActionRejected) as caught:
        await call("says", arguments)
    assert caught.value.field == field


async def test_required_arguments_and_no_remote_schemas(tmp_path: Path, runner: ActionRunner) -> None:
    strict = spec("says", parameters={**PARAMETERS, "required": ["order_id"]})
    pack = make_pack(tmp_path, specs=(strict,))
    with pytest.raises(ActionRejected, match="order_id"):
        await runner.run(ActionRequest(pack=pack, spec=strict))
    remote = spec("echo", parameters={"properties": {"a": {"$ref": "http://127.0.0.1:9/schema"}}})
    with pytest.raises(ActionFailed, match="JSON Schema"):
        check_arguments(remote, {"a": 1})


async def test_code_runs_only_when_allowed(tmp_path: Path, runner: ActionRunner) -> None:
    code = f"open({str(tmp_path / 'ran')!r}, 'w').close()"
    pack = make_pack(tmp_path, code)
    request = ActionRequest(pack=pack, spec=pack.actions["says"])
    with pytest.raises(PackCodeNotAllowed, match="senmon packs allow shop"):
        await ActionRunner(lambda pack: False).run(request)
    (pack.path / "actions.py").write_text(code + "  # changed after it was loaded", encoding="utf-8")
    with pytest.raises(PackCodeNotAllowed, match="changed after"):
        await runner.run(request)
    assert not (tmp_path / "ran").exists()


async def test_only_declared_actions_run(pack: Pack, runner: ActionRunner, call: Callable[..., Any]) -> None:
    with pytest.raises(ActionUnknown):
        await runner.run(ActionRequest(pack=pack, spec=spec("second")))
    with pytest.raises(ActionUnknown):  # a spec that claims less than the pack's own
        await runner.run(ActionRequest(pack=pack, spec=spec("echo")))


async def test_what_an_action_raises_goes_to_the_log_alone(
    call: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), pytest.raises(ActionFailed) as caught:
        await call("broken")
    assert "hunter2" not in str(caught.value)
    assert "hunter2" in caplog.text
    with pytest.raises(ActionRejected) as rejected:
        await call("refusing")
    assert "secret" not in str(rejected.value)
    with pytest.raises(ActionFailed):
        await call("leaving")


async def test_a_slow_action_fails_in_time(tmp_path: Path, runner: ActionRunner) -> None:
    hasty = spec("slow", timeout_seconds=0.2)
    pack = make_pack(tmp_path, specs=(hasty,))
    started = time.monotonic()
    with pytest.raises(ActionFailed, match="longer than"):
        await runner.run(ActionRequest(pack=pack, spec=hasty))
    assert time.monotonic() - started < 2


async def test_a_blocking_async_action_does_not_stall_the_loop(call: Callable[..., Any]) -> None:
    task = asyncio.create_task(call("slow_async"))
    ticks = 0
    while not task.done():
        await asyncio.sleep(0.01)
        ticks += 1
    outcome = task.result()
    assert ticks > 10
    assert outcome.result == {"text": "awake"}
    assert outcome.buttons == ({"title": "Yes", "payload": "yes"},)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("large", "64 KiB"),
        ("not_json", "not JSON"),
        ("form", "forms are not supported"),
        ("loop", "5 followups"),
        ("says_unknown", r"responses\.yml"),
    ],
)
async def test_what_cannot_be_used_fails_clearly(call: Callable[..., Any], name: str, message: str) -> None:
    with pytest.raises(ActionFailed, match=message):
        await call(name)


async def test_events_followups_and_handoff(call: Callable[..., Any]) -> None:
    outcome = await call("first", slots={"cart": "full"}, identity=CUSTOMER)
    assert outcome.result == {"step": 1, "cart": None, "customer": "demo"}
    assert outcome.slots == {"cart": None, "step": 1}
    assert outcome.texts == ("Bye",)
    assert (await call("end_of_form")).slots == {"done": True}
    assert (await call("person")).handoff == "wants a person"
    assert (await call("pausing")).handoff == "paused"


async def test_responses_are_filled_from_slots_and_arguments(call: Callable[..., Any]) -> None:
    outcome = await call("says", {"order_id": "A1002"})
    assert outcome.result == {"text": "It comes Tuesday, A1002. {unknown}"}
    assert outcome.buttons == ({"title": "Track A1002", "payload": "track"},)


async def test_streamed_chunks_are_texts(call: Callable[..., Any]) -> None:
    assert (await call("streams")).texts == ("half", "a reply")


async def test_changed_code_is_loaded_again(pack: Pack, runner: ActionRunner, tmp_path: Path) -> None:
    request = ActionRequest(pack=pack, spec=pack.actions["streams"])
    before = set(sys.modules)
    await runner.run(request)
    old = {name for name in set(sys.modules) - before if name.startswith("senmon_pack_shop")}
    assert len(old) == 1
    changed = make_pack(tmp_path, CODE.replace('"half "', '"whole "'))
    assert (await runner.run(replace(request, pack=changed))).texts[0] == "whole"
    assert not old & set(sys.modules)
    assert not (pack.path / "__pycache__").exists()


@pytest.mark.parametrize(
    "code",
    [
        "import nothing_like_this",
        "raise SystemExit",
        "def broken(:",
        CODE + "\nclass Again(Echo):\n    pass\n",
    ],
)
async def test_code_that_does_not_load_is_an_action_failure(
    tmp_path: Path, runner: ActionRunner, code: str
) -> None:
    pack = make_pack(tmp_path, code)
    with pytest.raises(ActionFailed):
        await runner.run(ActionRequest(pack=pack, spec=pack.actions["streams"]))


async def test_hung_threads_are_bounded() -> None:
    threads = WorkerThreads(limit=2)
    held = [asyncio.create_task(threads.call(lambda: time.sleep(0.3))) for _ in range(2)]
    await asyncio.sleep(0.05)
    with pytest.raises(ActionFailed, match="Too many"):
        await threads.call(lambda: 1)
    await asyncio.gather(*held)
    assert await threads.call(lambda: 1) == 1


def test_the_runner_is_light() -> None:
    heavy = ("rasa_sdk", "torch", "httpx", "jsonschema", "yaml")
    code = f"import sys, senmon.actions.runner; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
