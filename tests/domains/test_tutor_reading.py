"""What pupils write, read by rules: `tutor_messages.jsonl` has wordings of our own with what they are.

`right` and `wrong`: one attempt, and how it is judged. `unsure`: answers that contradict each other. `none`:
no attempt. `problem`: another problem to open.
"""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

TUTOR = Path(__file__).parents[2] / "domains" / "tutor"
MESSAGES = Path(__file__).parent / "tutor_messages.jsonl"


@pytest.fixture(scope="module")
def actions() -> ModuleType:
    place = TUTOR / "actions" / "__init__.py"
    spec = importlib.util.spec_from_file_location(
        "tutor_read_actions", place, submodule_search_locations=[str(place.parent)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def messages() -> list[dict[str, str]]:
    return [json.loads(line) for line in MESSAGES.read_text(encoding="utf-8").splitlines()]


def kind(actions: Any, row: dict[str, str]) -> str:
    reading = actions.read(row["text"], row["opened"])
    if reading.kind == "problem":
        return (
            "problem" if _answers(actions, reading.text) == _answers(actions, row.get("problem", "")) else "?"
        )
    if reading.kind != "attempt":
        return str(reading.kind)
    outcome = actions.judge(row["opened"], reading.text).outcome
    return str({"correct": "right", "step_ok": "right"}.get(outcome, outcome))


def _answers(actions: Any, problem: str) -> Any:
    return actions.solve(problem).answers if problem else None


def test_no_message_is_misread(actions: ModuleType) -> None:
    rows = messages()
    assert len(rows) >= 300
    misread = [(row, found) for row in rows if (found := kind(actions, row)) != row["kind"]]
    assert not [row for row, found in misread if found == "right"], "nothing else may be called right"
    assert len(misread) <= len(rows) // 100, misread


def test_what_the_model_copied_is_not_what_is_judged(actions: ModuleType) -> None:
    said = judged(actions, "i think it's 5", copied="6")
    assert said["verdict"] == "wrong"
    assert judged(actions, "6 or 7?", copied="6")["feedback"]["text"] == actions.WHICH
    assert judged(actions, "why 11?", copied="6")["verdict"] == "unclear"
    assert judged(actions, "so it's six, right?", copied="11")["verdict"] == "correct"
    assert judged(actions, "11 - 7 = 4", copied="11 - 7 = 4")["verdict"] == "unclear", "true, and no step"


def judged(actions: Any, text: str, copied: str) -> Any:
    from rasa_sdk import Tracker
    from rasa_sdk.executor import CollectingDispatcher

    slots = {"opened": "3x − 7 = 11", "open": True, "attempt": copied}
    tracker = Tracker.from_dict(
        {"sender_id": "x", "slots": slots, "latest_message": {"text": text}, "events": []}
    )
    dispatcher = CollectingDispatcher()
    actions.CheckAnswer().run(dispatcher, tracker, {})
    return dispatcher.messages[0]["custom"]


@pytest.mark.parametrize("text", ["9" * 700, "(" * 300, "x" * 500, "=" * 300, "6 or " * 100, "\u202e6\x00"])
def test_hostile_messages_are_read_quickly(actions: ModuleType, text: str) -> None:
    assert actions.read(text, "3x − 7 = 11").kind in ("none", "unsure", "attempt")


@pytest.mark.parametrize(
    ("opened", "part", "line"),
    [("7 + 6 × 3", "18", "7 + 18"), ("1 1/2 × 2/3", "3/2", "3/2 × 2/3"), ("15% of 60", "3", "")],
)
def test_after_a_right_part_the_hints_go_on(actions: Any, opened: str, part: str, line: str) -> None:
    judged = actions.advanced(opened, part, actions.judge(opened, part))
    assert (judged.outcome, judged.progress) == ("step_ok", line)
