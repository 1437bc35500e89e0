"""The values that an id-like argument may take."""

from __future__ import annotations

import time

from senmon.assistant.candidates import candidates
from senmon.messages import CONTEXT, Message
from senmon.packs.manifest import ActionSpec

ORDER = ActionSpec(name="order_status", description="x", candidates={"order_id": r"\bA\d{4}\b"})


def test_newest_first_without_context_messages() -> None:
    messages = [
        Message("user", "is it A1001 or A1002?"),
        Message("tool", "article about A9999", name=CONTEXT),
        Message("tool", '{"orders": ["A1003"]}', name="list_orders"),
        Message("assistant", "A7777"),
        Message("user", "A1004 please"),
    ]
    assert candidates([ORDER], messages) == {"order_id": ("A1004", "A1003", "A1001", "A1002")}


def test_nothing_found_still_names_the_argument() -> None:
    assert candidates([ORDER], [Message("user", "hello")]) == {"order_id": ()}


def test_actions_may_share_an_argument() -> None:
    other = ActionSpec(name="cancel", description="x", candidates={"order_id": r"\bB\d{4}\b"})
    assert candidates([ORDER, other], [Message("user", "B1000 A1000")]) == {"order_id": ("A1000", "B1000")}


def test_a_hostile_text_can_not_hang_a_pattern() -> None:
    slow = ActionSpec(name="slow", description="x", candidates={"value": r"(?:a+)+b"})
    began = time.monotonic()
    assert candidates([slow], [Message("user", "a" * 4000), Message("user", "aab")]) == {"value": ("aab",)}
    assert time.monotonic() - began < 5


def test_what_is_tried_now_comes_from_the_latest_message() -> None:
    attempt = ActionSpec(name="check", description="x", candidates={"attempt": r"\d+"}, latest=("attempt",))
    said = [
        Message("user", "is it 12"),
        Message("tool", '{"was": 13}', name="check"),
        Message("user", "then 14"),
    ]
    assert candidates([attempt], said) == {"attempt": ("14",)}
    assert candidates([attempt], [*said, Message("user", "sure?")]) == {"attempt": ("14", "13", "12")}
