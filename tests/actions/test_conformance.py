"""rasa-sdk's features: the same outcome in process and on rasa-sdk's own server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rasakit import rasa_action_server
from senmon.actions.runner import ActionOutcome, ActionRequest, ActionRunner
from senmon.errors import ActionFailed, ActionRejected, SenmonError
from senmon.messages import Identity, Message
from senmon.packs.loader import load_pack
from senmon.packs.manifest import ActionSpec
from senmon.packs.pack import Pack

CODE = Path(__file__).with_name("conforming_actions.py")
RESPONSES = """
responses:
  utter_eta:
    - text: "It comes {eta}, {order_id}"
      buttons: [{title: "Track {order_id}", payload: track}]
  utter_rich:
    - text: "Look"
      image: "https://example.com/{order_id}.png"
      custom: {kind: rich}
  utter_tier:
    - text: "Dear gold customer"
      condition: [{type: slot, name: tier, value: Gold}]
    - text: "Dear customer"
  utter_bye:
    - channel: slack
      text: "Slack bye"
    - text: "Bye"
"""
PARAMETERS = {"type": "object", "properties": {"order_id": {"type": "string"}, "count": {"type": "integer"}}}
ARGUMENTS = {"order_id": "A1001", "count": 2}
SLOTS = {"cart": ["tent"], "tier": "gold"}
FAILED, REJECTED = ActionFailed.code, ActionRejected.code
TEXTS = ("first", "second")

#: Name → what the outcome must hold, or the code of the error. Both ways must give all of it.
EXPECTED: dict[str, Any] = {
    "texts": {"texts": TEXTS, "result": {"text": "first\nsecond"}},
    "text_async": {"texts": ("after a while",), "slots": {"waited": True}},
    "buttons": {
        "buttons": (
            {"title": "Yes", "payload": "/affirm"},
            {"title": "No", "payload": "/deny", "extra": 1},
        )
    },
    "image": {
        "result": {
            "image": "https://example.com/cat.png",
            "attachment": "https://example.com/cat.pdf",
            "text": "A cat",
        }
    },
    "elements": {
        "texts": (),
        "result": {"elements": [{"title": "One", "buttons": [{"title": "Go", "payload": "go"}]}]},
    },
    "json": {
        "result": {
            "order": {"id": "A1", "lines": [1, 2], "3": "three"},
            "total": 12.5,
            "none": None,
            "ü": "ß",
        }
    },
    "template": {
        "texts": ("It comes Tuesday, A1001", "Look", "Dear gold customer"),
        "buttons": ({"title": "Track A1001", "payload": "track"}, {"title": "More", "payload": "more"}),
        "result": {"image": "https://example.com/A1001.png", "kind": "rich"},
    },
    "template_override": {
        "texts": ("instead",),
        "result": {"x": 1, "image": "https://example.com/A1001.png"},
    },
    "old_names": {"texts": ("Bye", "Pick"), "result": {"a": 1}},
    "streams": {"texts": ("one", "two"), "buttons": ({"title": "B", "payload": "b"},)},
    "slots": {"slots": {"a": "last", "gone": None}},
    "reset": {"slots": {"cart": None, "tier": None, "order_id": None, "count": None, "kept": 1}},
    "restarted": {"slots": {"cart": None, "tier": None, "order_id": None, "count": None}},
    "history": {"texts": ("Say that again?",), "slots": {}},
    "paused": {"texts": ("One moment",), "handoff": "paused"},
    "reminds": FAILED,
    "loops": FAILED,
    "follows": {"texts": ("first part", "step 1", "Bye"), "result": {"step": 2}, "slots": {"step": 1}},
    "domain": {},
    "reaches_in": {"slots": {}, "result": {}},
    "rejects": REJECTED,
    "raises": FAILED,
    "slow": FAILED,
    "slow_async": FAILED,
    "returns_tuple": {"slots": {"t": 1}},
    "returns_text": {"slots": {}, "result": {}},
    "returns_one": {"slots": {}},
    "returns_number": FAILED,
    "returns_mixed": {"slots": {"t": 1}},
    "not_json": FAILED,
    "not_a_number": FAILED,
    "tracker": {},
    "validate_order_form": {"slots": {"order_id": "a1001", "count": 4}},
    "action_validate_slot_mappings": {"slots": {"order_id": "checked A1001", "count": 2}},
}


def make_pack(folder: Path, runtime: str, url: str = "") -> Pack:
    specs = [
        ActionSpec(
            name=name, description="x", parameters=PARAMETERS, timeout_seconds=_seconds(name)
        ).model_dump()
        for name in (*EXPECTED, "followed")
    ]
    manifest = {
        "name": "shop",
        "title": "Shop",
        "description": "A shop.",
        "licence": "Apache-2.0",
        "actions": {"runtime": runtime, "url": url, "specs": specs},
    }
    folder = folder / "shop"
    (folder / "data").mkdir(parents=True, exist_ok=True)
    files = {
        "pack.yaml": json.dumps(manifest),
        "system.md": "Help.",
        "actions.py": CODE.read_text(encoding="utf-8"),
        "responses.yml": RESPONSES,
        "data/x.jsonl": "",
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return load_pack(folder)


def _seconds(name: str) -> float:
    return 0.6 if name.startswith("slow") else 20


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pack, Pack]]:
    """The same pack, in process and on a server. The manifest differs, so each has its folder."""
    here = make_pack(tmp_path_factory.mktemp("here"), "in_process")
    with rasa_action_server(here.path) as url:
        yield here, make_pack(tmp_path_factory.mktemp("there"), "server", url)


@pytest.fixture(scope="module")
def runner() -> ActionRunner:
    return ActionRunner(lambda pack: True)


async def outcome_of(runner: ActionRunner, pack: Pack, name: str) -> ActionOutcome | str:
    said = (Message("user", "hello"), Message("assistant", "hi"), Message("user", "where is A1001?"))
    request = ActionRequest(
        pack=pack,
        spec=pack.actions[name],
        arguments=ARGUMENTS,
        slots=SLOTS,
        identity=Identity(customer="demo"),
        messages=said,
        sender="visitor-1",
    )
    try:
        return await runner.run(request)
    except SenmonError as error:
        assert "hunter2" not in str(error) and "secret" not in str(error)
        return error.code


# The slow ones come last: a sync action that sleeps keeps rasa-sdk's server from answering.
@pytest.mark.parametrize("name", sorted(EXPECTED, key=lambda key: (str(key).startswith("slow"), key)))
async def test_an_action_does_the_same_in_process_and_on_a_server(
    packs: tuple[Pack, Pack], runner: ActionRunner, name: str
) -> None:
    here, there = [await outcome_of(runner, pack, name) for pack in packs]
    assert here == there
    expected = EXPECTED[name]
    if isinstance(expected, str) or isinstance(here, str):
        assert here == expected
        return
    for field, value in expected.items():
        assert getattr(here, field) == value, field


async def test_the_tracker_tells_what_the_conversation_holds(
    packs: tuple[Pack, Pack], runner: ActionRunner
) -> None:
    outcome = await outcome_of(runner, packs[0], "tracker")
    assert isinstance(outcome, ActionOutcome)
    result = dict(outcome.result)
    state, slots = result.pop("state"), result.pop("slots")
    assert result == {
        "slot": "A1001",
        "missing": None,
        "text": "where is A1001?",
        "intent": {"name": None, "confidence": 0.0},
        "intent_of": None,
        "entities": [{"entity": "order_id", "value": "A1001"}, {"entity": "count", "value": 2}],
        "values": ["A1001"],
        "role": "none",
        "sender": "visitor-1",
        "channel": "senmon",
        "kinds": ["user", "bot", "user", "slot", "slot"],
        "said": ["hello", "where is A1001?"],
        "paused": False,
        "loop": {},
        "followup": None,
    }
    assert slots == {**SLOTS, **ARGUMENTS, "customer_id": "demo"}
    assert {"sender_id", "events", "latest_input_channel", "stack"} <= set(state)


async def test_changed_responses_are_read_again(tmp_path: Path, runner: ActionRunner) -> None:
    pack = make_pack(tmp_path, "in_process")
    path = pack.path / "responses.yml"
    assert (await outcome_of(runner, pack, "old_names")).texts[0] == "Bye"  # type: ignore[union-attr]
    path.write_text(RESPONSES.replace('"Bye"', '"So long"'), encoding="utf-8")
    assert (await outcome_of(runner, pack, "old_names")).texts[0] == "So long"  # type: ignore[union-attr]


async def test_an_endless_pattern_refuses_the_argument(tmp_path: Path, runner: ActionRunner) -> None:
    pack = make_pack(tmp_path, "in_process")
    parameters = {"type": "object", "properties": {"order_id": {"type": "string", "pattern": "^(a|aa)+$"}}}
    spec = pack.actions["texts"].model_copy(update={"parameters": parameters})
    actions = pack.manifest.actions.model_copy(update={"specs": (spec,)})
    manifest = pack.manifest.model_copy(update={"actions": actions})
    object.__setattr__(pack, "manifest", manifest)
    with pytest.raises(ActionRejected, match="too long to compare"):
        await runner.run(ActionRequest(pack=pack, spec=spec, arguments={"order_id": "a" * 60 + "!"}))
    with pytest.raises(ActionRejected, match="does not match"):
        await runner.run(ActionRequest(pack=pack, spec=spec, arguments={"order_id": "b"}))
