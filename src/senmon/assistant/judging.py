"""What the checks have against a message or a reply."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from senmon import tracing
from senmon.checks.protocol import Check, CheckContext
from senmon.messages import Verdict


async def judged(checks: Sequence[Check], said: str, text: str, context: CheckContext) -> Verdict | None:
    """What a check has against the next words of a reply."""
    if not checks:
        return None
    with tracing.step("check"):
        return _noted(await asyncio.to_thread(first_failure, checks, said, text, context))


async def forbidden(checks: Sequence[Check], context: CheckContext) -> Verdict | None:
    """What forbids any reply to a message."""
    with tracing.step("check"):
        return _noted(await asyncio.to_thread(first_block, checks, context))


def first_failure(checks: Sequence[Check], said: str, text: str, context: CheckContext) -> Verdict | None:
    for check in checks:
        verdict = _judge(check, said, text, context)
        if verdict.outcome != "pass":
            return verdict
    return None


def first_block(checks: Sequence[Check], context: CheckContext) -> Verdict | None:
    """What forbids any reply, with the text to say instead."""
    verdicts = (_judge(check, "", "", context) for check in checks)
    return next((found for found in verdicts if found.outcome == "block" and found.replacement), None)


def _judge(check: Check, said: str, text: str, context: CheckContext) -> Verdict:
    begun = time.perf_counter()
    try:
        return check.judge(said, text, context)
    finally:
        tracing.tell("judge", time.perf_counter() - begun, check=check.name)


def _noted(found: Verdict | None) -> Verdict | None:
    if found is not None:
        tracing.note(check=found.check, outcome=found.outcome)
    return found
