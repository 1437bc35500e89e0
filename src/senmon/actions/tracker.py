"""A conversation as rasa-sdk sees it: the tracker state and the domain."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from senmon.actions.responses import Responses
from senmon.messages import Identity, Message
from senmon.packs.pack import Pack

#: Older messages don't travel to an action.
MAX_EVENTS = 100
CHANNEL = "senmon"
_VALIDATION = "validate_"


def tracker_state(
    *,
    sender: str,
    slots: Mapping[str, Any],
    arguments: Mapping[str, Any],
    messages: tuple[Message, ...],
    identity: Identity,
) -> dict[str, Any]:
    """The `tracker` of a webhook payload; `Tracker.from_dict` reads it.

    Arguments are entities of the latest message too, so that actions that read
    `get_latest_entity_values` work, and slots just set, so that a ValidationAction has something to judge.
    Intents are unknown here, as under an LLM-driven assistant.
    """
    recent = messages[-MAX_EVENTS:]
    events = [event for message in recent if (event := _event(message)) is not None]
    events += [
        {"event": "slot", "timestamp": None, "name": key, "value": arguments[key]} for key in arguments
    ]
    return {
        "sender_id": sender,
        "slots": dict(slots),
        "latest_message": _latest(recent, arguments),
        "latest_event_time": None,
        "followup_action": None,
        "paused": False,
        "events": events,
        "latest_input_channel": CHANNEL,
        "active_loop": {},
        "latest_action_name": "action_listen",
        "stack": [],
        "user_id": identity.customer,
    }


def _event(message: Message) -> dict[str, Any] | None:
    if message.role == "user":
        parsed = _parsed(message.content)
        return {
            "event": "user",
            "timestamp": None,
            "text": message.content,
            "parse_data": parsed,
            "input_channel": CHANNEL,
            "metadata": {},
        }
    if message.role == "assistant" and message.content:
        return {"event": "bot", "timestamp": None, "text": message.content, "data": {}, "metadata": {}}
    return None


def _latest(messages: tuple[Message, ...], arguments: Mapping[str, Any]) -> dict[str, Any]:
    text = next((message.content for message in reversed(messages) if message.role == "user"), "")
    entities = [{"entity": name, "value": value} for name, value in arguments.items()]
    return {**_parsed(text), "entities": entities}


def _parsed(text: str) -> dict[str, Any]:
    return {
        "text": text,
        "intent": {"name": None, "confidence": 0.0},
        "intent_ranking": [],
        "entities": [],
        "metadata": {},
    }


def domain_of(pack: Pack, slots: Mapping[str, Any], responses: Responses) -> dict[str, Any]:
    """The `domain` of a webhook payload, derived from the manifest and `responses.yml`."""
    names = {name for spec in pack.actions.values() for name in spec.parameters.get("properties", {})}
    described = {name: {"type": "any", "mappings": []} for name in sorted(names | set(slots))}
    return {
        "config": {"store_entities_as_slots": True},
        "session_config": {"session_expiration_time": 0, "carry_over_slots_to_new_session": True},
        "intents": [],
        "entities": sorted(names),
        "slots": described,
        "responses": responses.raw,
        "actions": sorted(pack.actions),
        "forms": _forms(pack),
        "e2e_actions": [],
    }


def _forms(pack: Pack) -> dict[str, Any]:
    """A declared FormValidationAction finds its form here: its arguments are the form's slots."""
    return {
        name.removeprefix(_VALIDATION): {"required_slots": list(spec.parameters.get("properties", {}))}
        for name, spec in pack.actions.items()
        if name.startswith(_VALIDATION)
    }


def domain_digest(domain: Mapping[str, Any]) -> str:
    text = json.dumps(domain, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
