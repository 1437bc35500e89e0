"""An action of a turn: what it gave, or what is said instead."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from senmon import tracing
from senmon.actions.runner import ActionOutcome, ActionRequest, ActionRunner
from senmon.errors import ActionDenied, SenmonError
from senmon.packs.manifest import Texts

log = logging.getLogger(__name__)


async def outcome_of(
    runner: ActionRunner, request: ActionRequest, texts: Texts
) -> tuple[ActionOutcome, str, str | None]:
    """What the action gave, its public status, and the fixed text to say instead of a generated one."""
    pack, action = request.pack.name, request.spec.name
    with tracing.step("act", pack=pack, action=action):
        outcome, status, fixed = await _outcome(runner, request, texts)
        tracing.note(status=status)
        return outcome, status, fixed


async def _outcome(
    runner: ActionRunner, request: ActionRequest, texts: Texts
) -> tuple[ActionOutcome, str, str | None]:
    try:
        return await runner.run(request), "finished", None
    except ActionDenied:
        return _empty({"error": "sign_in_required"}), "denied", texts.sign_in
    except SenmonError as error:
        tracing.note(error=error.code)
        log.warning("action %s of %s failed: %s", request.spec.name, request.pack.name, error.code)
        return _empty({"error": error.code}), "failed", texts.failed


def _empty(result: Mapping[str, Any]) -> ActionOutcome:
    return ActionOutcome(result=result, texts=(), buttons=(), slots={}, handoff=None)
