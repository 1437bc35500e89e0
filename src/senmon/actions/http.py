"""Actions that are declared, not written: a call becomes an HTTP request, its answer a rasa-sdk reply."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from senmon.actions.arguments import CUSTOMER_SLOT
from senmon.actions.fields import error_result, filled, found, result_of
from senmon.actions.http_client import HttpAnswer, HttpClient
from senmon.actions.http_request import (
    Environment,
    MissingValue,
    build_request,
    idempotency_key,
)
from senmon.actions.reply import Reply
from senmon.errors import ActionDenied, ActionFailed
from senmon.messages import Identity, Message
from senmon.packs.http_spec import HttpCall, HttpError
from senmon.packs.manifest import ActionSpec
from senmon.packs.pack import Pack

log = logging.getLogger(__name__)

#: What a status means where the manifest says nothing else.
REFUSALS = {
    400: HttpError(error="refused"),
    403: HttpError(error="not_allowed"),
    404: HttpError(error="not_found"),
    409: HttpError(error="conflict"),
    410: HttpError(error="not_found"),
    422: HttpError(error="refused"),
}


class HttpActions:
    """Runs declared actions. The caller has made sure that they may run, and for this identity."""

    def __init__(self, environment: Environment, client: HttpClient | None = None) -> None:
        self._environment = environment
        self._client = client or HttpClient()

    async def call(
        self,
        pack: Pack,
        spec: ActionSpec,
        *,
        slots: Mapping[str, Any],
        arguments: Mapping[str, Any],
        identity: Identity,
        messages: tuple[Message, ...],
        sender: str,
    ) -> Reply:
        """Raises ActionDenied (401), ActionRejected (a value that can't be sent), ActionFailed."""
        call = spec.http
        if call is None:
            raise ActionFailed(f"`{spec.name}` declares no request.")
        said = [message.content for message in messages if message.role == "user"]
        values = {**_kept(pack, slots, said), **arguments, CUSTOMER_SLOT: identity.customer}
        key = idempotency_key(sender, pack.name, spec.name, len(said), arguments)
        service = pack.manifest.actions.http
        try:
            request = build_request(service, call, values, self._environment, key)
        except MissingValue as missing:
            return _reply(call, {"missing": missing.args[0]}, None, said)
        answer = await self._client.send(
            spec.name, request, private=service.private_network, timeout=spec.timeout_seconds
        )
        return _reply(call, _result(spec.name, call, answer, identity), answer.body, said)


def _kept(pack: Pack, slots: Mapping[str, Any], said: list[str]) -> dict[str, Any]:
    """The slots that a template may name. What was kept for one message is gone after it."""
    once = {slot for spec in pack.actions.values() if spec.http for slot in spec.http.remember_once}
    kept = {name: value for name, value in slots.items() if name not in once}
    for slot in once & slots.keys():
        held = slots[slot]
        if isinstance(held, Mapping) and len(said) > 1 and held.get("after") == len(said) - 1:
            kept[slot] = held.get("value")
    return kept


def _result(name: str, call: HttpCall, answer: HttpAnswer, identity: Identity) -> dict[str, Any]:
    status = answer.status
    if status == 401 and status not in call.errors:
        _unauthorised(name, identity)
    rule = call.errors.get(status) or REFUSALS.get(status)
    if rule is not None:
        log.info("the service of %s answered %d", name, status)
        return error_result(call, rule, answer.body)
    if not 200 <= status < 300:
        log.warning("the service of %s answered %d", name, status)
        raise ActionFailed(f"The service of `{name}` answered {status}.", remedy="try again later")
    if not answer.is_json:
        log.warning("the service of %s answered no JSON", name)
        raise ActionFailed(f"The service of `{name}` answered something that is not JSON.")
    result = result_of(call, answer.body)
    if result is None:
        log.warning("the service of %s answered none of the declared fields", name)
        raise ActionFailed(
            f"The service of `{name}` answered in another shape.", remedy="correct `result` in pack.yaml"
        )
    return result


def _unauthorised(name: str, identity: Identity) -> None:
    """Nobody who is signed in is asked to sign in: then it is the server's own credentials."""
    if identity.customer:
        log.warning("the service of %s refused the credentials", name)
        raise ActionFailed(
            f"The service of `{name}` refused the credentials.", remedy="check the headers' variables"
        )
    raise ActionDenied(f"The service of `{name}` wants a customer who is signed in.", remedy="sign in")


def _reply(call: HttpCall, result: dict[str, Any], answer: Any, said: list[str]) -> Reply:
    """`answer` is the service's own: what is remembered need not be shown to the model."""
    slots = {slot: found(answer, path) for slot, path in call.remember.items()}
    for slot, path in call.remember_once.items():
        value = found(answer, path)
        slots[slot] = None if value is None else {"value": value, "after": len(said)}
    events = [{"event": "slot", "name": name, "value": value} for name, value in slots.items()]
    well = "error" not in result and "missing" not in result
    text = filled(call.text, result) if call.text and well else None
    return Reply(tuple(events), ({"custom": result, "text": text},))
