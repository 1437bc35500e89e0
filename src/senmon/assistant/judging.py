"""What the checks have against a message or a reply."""

from __future__ import annotations

from collections.abc import Sequence

from senmon.checks.protocol import Check, CheckContext
from senmon.messages import Verdict


def first_failure(checks: Sequence[Check], said: str, text: str, context: CheckContext) -> Verdict | None:
    for check in checks:
        verdict = check.judge(said, text, context)
        if verdict.outcome != "pass":
            return verdict
    return None


def first_block(checks: Sequence[Check], context: CheckContext) -> Verdict | None:
    """What forbids any reply, with the text to say instead."""
    verdicts = (check.judge("", "", context) for check in checks)
    return next((found for found in verdicts if found.outcome == "block" and found.replacement), None)
