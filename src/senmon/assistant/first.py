"""What a pack's reader makes of a message, before the model sees it (`actions.reader` of the manifest).

A small model understands new wordings badly and may copy a value wrongly. Where a pack can tell by rules what
a message is, its reader names the call, and the server makes it: the model only words the reply.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from senmon.actions.arguments import check_arguments
from senmon.actions.runner import ActionRequest, ActionRunner
from senmon.assistant.catalog import ServedPack
from senmon.errors import SenmonError
from senmon.messages import Conversation, Identity, ToolCall

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class First:
    """The call that the message is. `keep`: it answers this pack's own question, so it stays here."""

    call: ToolCall
    keep: bool = False


async def read_first(
    actions: ActionRunner, served: ServedPack, state: Conversation, identity: Identity
) -> First | None:
    """None where the pack has no reader, or it leaves the message to the model. A reader that fails, or names
    a call that does not fit, is logged and leaves it to the model too."""
    spec = served.pack.reader
    if spec is None:
        return None
    request = ActionRequest(
        pack=served.pack,
        spec=spec,
        slots=state.slots.get(served.pack.name, {}),
        identity=identity,
        messages=state.of(served.pack.name),
        sender=state.id or "local",
    )
    try:
        result = (await actions.run(request)).result
        return _first(served, result, f"read_{len(state.messages)}")
    except SenmonError as error:
        log.warning("the reader of %s failed: %s", served.pack.name, error.code)
        return None


def _first(served: ServedPack, result: Mapping[str, Any], call_id: str) -> First | None:
    named = result.get("call")
    if not isinstance(named, Mapping):
        return None
    name, arguments = named.get("name"), named.get("arguments", {})
    spec = served.pack.actions.get(name) if isinstance(name, str) else None
    if spec is None or not isinstance(arguments, Mapping):
        log.warning("the reader of %s names a call that the pack does not declare", served.pack.name)
        return None
    check_arguments(spec, arguments)
    return First(ToolCall(call_id, spec.name, dict(arguments)), result.get("keep") is True)


def signature(call: ToolCall) -> str:
    """Equal for calls that ask for the same."""
    return f"{call.name}{sorted(call.arguments.items())}"
