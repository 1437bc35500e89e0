"""Runs an action for a conversation: who may, with which arguments, within which bounds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from senmon.actions.arguments import CUSTOMER_SLOT, check_arguments
from senmon.actions.in_process import InProcess
from senmon.actions.reply import ActionOutcome, OutcomeBuilder, Reply, handed_over
from senmon.actions.responses import Responses, ResponsesCache
from senmon.actions.tracker import domain_of, tracker_state
from senmon.errors import ActionDenied, ActionFailed, ActionUnknown, PackCodeNotAllowed, SenmonError
from senmon.messages import Identity, Message
from senmon.packs.manifest import ActionSpec
from senmon.packs.pack import Pack

if TYPE_CHECKING:
    from senmon.actions.http import HttpActions
    from senmon.actions.server import ActionServer

__all__ = ["ActionOutcome", "ActionRequest", "ActionRunner"]

log = logging.getLogger(__name__)

MAX_FOLLOWUPS = 5


@dataclass(frozen=True, slots=True)
class ActionRequest:
    """One call that the model asked for.

    `slots` are the pack's rasa slots so far, `messages` the conversation without the static prefix,
    `sender` rasa's sender id. Who the customer is comes from `identity` alone.
    """

    pack: Pack
    spec: ActionSpec
    arguments: Mapping[str, Any] = field(default_factory=dict)
    slots: Mapping[str, Any] = field(default_factory=dict)
    identity: Identity = field(default_factory=Identity)
    messages: tuple[Message, ...] = ()
    sender: str = "local"


class ActionRunner:
    """`allowed(pack)` says whether the operator lets this pack's code run, or its addresses be called.

    `environment` gives the variables that headers of declared actions name; without it there are none.
    """

    def __init__(
        self, allowed: Callable[[Pack], bool], environment: Callable[[str], str | None] = lambda name: None
    ) -> None:
        self._allowed = allowed
        self._environment = environment
        self._in_process = InProcess()
        self._servers: ActionServer | None = None
        self._https: HttpActions | None = None
        self._responses = ResponsesCache()

    async def run(self, request: ActionRequest) -> ActionOutcome:
        """Runs the action and its followups, `spec.timeout_seconds` together.

        Raises ActionUnknown, ActionDenied (needs a verified customer), ActionRejected (arguments, `field`),
        PackCodeNotAllowed, ActionFailed (raised, timed out, too large, unsupported). What an action raised
        goes to the log and to `__cause__`, never into the message.
        """
        self._authorise(request)
        name, timeout = request.spec.name, request.spec.timeout_seconds
        try:
            async with asyncio.timeout(timeout):
                return await self._steps(request)
        except SenmonError:
            raise
        except TimeoutError as error:
            log.warning("action %s of %s took longer than %s s", name, request.pack.label, timeout)
            raise ActionFailed(f"`{name}` took longer than {timeout:g} s.") from error
        except Exception as error:
            log.exception("action %s of %s", name, request.pack.label)
            raise ActionFailed(f"`{name}` failed.", remedy="see the server's log") from error

    def _authorise(self, request: ActionRequest) -> None:
        pack, spec = request.pack, request.spec
        if spec not in (pack.actions.get(spec.name), pack.reader):
            raise ActionUnknown(f"The pack `{pack.name}` declares no action `{spec.name[:64]}`.")
        if spec.identity == "customer" and not request.identity.verified:
            raise ActionDenied(f"`{spec.name}` needs a verified customer.", remedy="sign in")
        check_arguments(spec, request.arguments)
        if not self._allowed(pack):
            raise PackCodeNotAllowed(
                f"The actions of the pack `{pack.name}` may not run here.",
                remedy=f"read its code and addresses, then: senmon packs allow {pack.name}",
            )

    async def _steps(self, request: ActionRequest) -> ActionOutcome:
        responses = await self._responses.get(request.pack.path)
        slots = {**request.slots, **request.arguments, CUSTOMER_SLOT: request.identity.customer}
        builder = OutcomeBuilder(slots, responses)
        step: str | None = request.spec.name
        for _ in range(MAX_FOLLOWUPS + 1):
            if step is None or step == "action_listen":
                return builder.outcome(request.spec.name)
            step = await self._step(request, step, builder, responses)
        if step is not None:
            raise ActionFailed(f"`{request.spec.name}` asked for more than {MAX_FOLLOWUPS} followups.")
        return builder.outcome(request.spec.name)

    async def _step(
        self, request: ActionRequest, name: str, builder: OutcomeBuilder, responses: Responses
    ) -> str | None:
        self._may_follow(request, name)
        if name.startswith("utter_") and name in responses:
            builder.utter(name)
            return None
        spec = request.pack.actions.get(name)
        if spec is not None and spec.handover:
            return builder.add(name, handed_over(request.pack, builder.slots))
        if spec is not None and spec.http is not None:
            return builder.add(name, await self._declared(request, spec, builder.slots))
        tracker = tracker_state(
            sender=request.sender,
            slots=builder.slots,
            arguments=request.arguments,
            messages=request.messages,
            identity=request.identity,
        )
        domain = domain_of(request.pack, builder.slots, responses)
        return builder.add(name, await self._call(request, name, tracker, domain))

    def _may_follow(self, request: ActionRequest, name: str) -> None:
        """A followup is code calling code, but the identity rule holds for every declared action."""
        spec = request.pack.actions.get(name)
        if spec is not None and spec.identity == "customer" and not request.identity.verified:
            raise ActionDenied(f"`{name}` needs a verified customer.", remedy="sign in")

    async def _call(
        self, request: ActionRequest, name: str, tracker: dict[str, Any], domain: dict[str, Any]
    ) -> Reply:
        actions, timeout = request.pack.manifest.actions, request.spec.timeout_seconds
        if actions.runtime == "http":
            raise ActionUnknown(f"The pack `{request.pack.name}` declares no request `{name[:64]}`.")
        if actions.runtime == "in_process":
            return await self._in_process.call(request.pack, name, tracker, domain, timeout)
        return await self._server().call(actions.url, name, tracker, domain, timeout)

    async def _declared(self, request: ActionRequest, spec: ActionSpec, slots: Mapping[str, Any]) -> Reply:
        if self._https is None:
            from senmon.actions.http import HttpActions

            self._https = HttpActions(self._environment)
        return await self._https.call(
            request.pack,
            spec,
            slots=slots,
            arguments=request.arguments,
            identity=request.identity,
            messages=request.messages,
            sender=request.sender,
        )

    def _server(self) -> ActionServer:
        if self._servers is None:
            from senmon.actions.server import ActionServer

            self._servers = ActionServer()
        return self._servers
