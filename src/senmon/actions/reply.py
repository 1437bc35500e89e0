"""What an action answered: rasa-sdk's `{events, responses}`, and the outcome made of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from senmon.actions.arguments import CUSTOMER_SLOT
from senmon.actions.responses import Responses
from senmon.errors import ActionFailed
from senmon.packs.pack import Pack

log = logging.getLogger(__name__)

MAX_RESULT_BYTES = 64 * 1024
#: Events that record history, or undo what is never undone here: a conversation is append-only.
HARMLESS = frozenset(
    {
        "action",
        "action_execution_rejected",
        "agent",
        "bot",
        "cancel_reminder",
        "export",
        "form_validation",
        "loop_interrupted",
        "resume",
        "rewind",
        "session_ended",
        "session_started",
        "undo",
        "user",
    }
)


#: Parts of a response that are no text: a reply can name them, pages don't show them.
MEDIA = ("image", "attachment", "elements")


@dataclass(frozen=True, slots=True)
class Reply:
    """One call's answer, as the wire has it (docs of rasa-sdk, "action server API")."""

    events: tuple[Mapping[str, Any], ...] = ()
    responses: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def of(cls, name: str, events: Any, responses: Any) -> Reply:
        """Raises ActionFailed when either is not a list of objects."""
        if not _objects(events) or not _objects(responses):
            raise ActionFailed(
                f"`{name}` answered something that is not rasa-sdk's `events` and `responses`.",
                remedy="return a list of rasa_sdk.events, or nothing",
            )
        return cls(tuple(events or ()), tuple(responses or ()))


def _objects(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(each, Mapping) for each in value))


def handed_over(pack: Pack, slots: Mapping[str, Any]) -> Reply:
    """The answer of an action that is nothing but a handover."""
    reason = str(slots.get("reason") or "asked")
    return Reply((), ({"custom": {"handoff": reason}, "text": pack.manifest.texts.handoff},))


@dataclass(frozen=True, slots=True)
class ActionOutcome:
    """What an action did.

    `result` is the merged `custom` JSON of its responses, or `{"text": …}` when there is none; the last
    `image`, `attachment` and `elements` stand in it too. `slots` are the values it set. `handoff` is the
    reason when it asks for a person.
    """

    result: Mapping[str, Any] = field(default_factory=dict)
    texts: tuple[str, ...] = ()
    buttons: tuple[Mapping[str, Any], ...] = ()
    slots: Mapping[str, Any] = field(default_factory=dict)
    handoff: str | None = None


class OutcomeBuilder:
    """Folds the replies of an action and of its followups into one outcome."""

    def __init__(self, slots: Mapping[str, Any], responses: Responses) -> None:
        self.slots = dict(slots)
        self._responses = responses
        self._set: dict[str, Any] = {}
        self._custom: dict[str, Any] = {}
        self._texts: list[str] = []
        self._buttons: list[Mapping[str, Any]] = []
        self._media: dict[str, Any] = {}
        self._paused = False

    def add(self, name: str, reply: Reply) -> str | None:
        """Takes a reply in; returns the followup that it asks for. Raises ActionFailed on a form."""
        for response in reply.responses:
            self._say(name, response)
        followup: str | None = None
        for event in reply.events:
            followup = self._apply(name, event) or followup
        return followup

    def utter(self, name: str) -> None:
        """Says the `utter_*` response `name`."""
        self._say(name, {"response": name})

    def outcome(self, name: str) -> ActionOutcome:
        """Raises ActionFailed when it is not JSON or larger than 64 KiB."""
        said = self._custom or ({"text": "\n".join(self._texts)} if self._texts else {})
        result = {**self._media, **said}
        reason = self._custom.get("handoff")
        handoff = str(reason) if reason else ("paused" if self._paused else None)
        result, texts, buttons, slots = _bound(name, [result, self._texts, self._buttons, self._set])
        return ActionOutcome(result, tuple(texts), tuple(buttons), slots, handoff)

    def _say(self, name: str, response: Mapping[str, Any]) -> None:
        template = response.get("response") or response.get("template")
        if template:
            response = _merged(self._rendered(name, str(template), response), response)
        if isinstance(text := response.get("text"), str) and text.strip():
            self._texts.append(text.strip())
        if isinstance(custom := response.get("custom"), Mapping):
            self._custom.update(custom)
        buttons = response.get("buttons")
        if isinstance(buttons, list):
            self._buttons += [button for button in buttons if isinstance(button, Mapping)]
        self._media.update({key: response[key] for key in MEDIA if response.get(key)})

    def _rendered(self, name: str, template: str, response: Mapping[str, Any]) -> dict[str, Any]:
        if template not in self._responses:
            raise ActionFailed(
                f"`{name}` uses the response `{template[:64]}`, which the pack does not have.",
                remedy="add it to the pack's responses.yml",
            )
        return self._responses.render(template, {**self.slots, **response})

    def _apply(self, name: str, event: Mapping[str, Any]) -> str | None:
        kind = event.get("event")
        match kind:
            case "slot":
                self._set_slot(name, str(event.get("name")), event.get("value"))
            case "reset_slots" | "restart":
                for slot in [each for each in self.slots if each != CUSTOMER_SLOT]:
                    self._set_slot(name, slot, None)
            case "followup":
                return str(event["name"]) if event.get("name") else None
            case "pause":
                self._paused = True
            case "active_loop" | "form":
                _refuse_form(name, event)
            case _ if kind not in HARMLESS:
                raise ActionFailed(
                    f"`{name}` returned the event `{str(kind)[:40]}`, which is not supported.",
                    remedy="use slot, followup, reset_slots or pause events",
                )
        return None

    def _set_slot(self, name: str, slot: str, value: Any) -> None:
        if slot == CUSTOMER_SLOT:
            log.warning("action %s tried to set %s; ignored", name, CUSTOMER_SLOT)
            return
        self.slots[slot] = value
        self._set[slot] = value


def _merged(rendered: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What the action gave wins over the response's own parts; its buttons come after the response's."""
    parts = {key: value for key, value in given.items() if value and key in ("text", "custom", *MEDIA)}
    buttons = [*(rendered.get("buttons") or ()), *(given.get("buttons") or ())]
    return {**rendered, **parts, "buttons": buttons}


def _refuse_form(name: str, event: Mapping[str, Any]) -> None:
    if event.get("name"):
        raise ActionFailed(
            f"`{name}` starts the form `{str(event['name'])[:40]}`; forms are not supported.",
            remedy="make what the form collects parameters of the action: the model asks for them",
        )


def _bound(name: str, parts: Sequence[Any]) -> Any:
    """The parts as the wire would bring them: the same in process and from an action server."""
    try:
        text = json.dumps(parts, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ActionFailed(f"The result of `{name}` is not JSON.") from error
    if len(text.encode("utf-8", "replace")) > MAX_RESULT_BYTES:
        raise ActionFailed(
            f"The result of `{name}` is larger than {MAX_RESULT_BYTES // 1024} KiB.",
            remedy="return only what a reply needs",
        )
    return json.loads(text)
