"""The door: when no reply can be begun, a message is refused before anything is looked up for it.

A refusal that costs as much as a beginning would take from those who were let in what it keeps for them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast

from starlette.types import ASGIApp, Receive, Scope, Send

from senmon.server.errors import senmon_response
from senmon.server.services import Services

_NATIVE = "/v1/conversations/{id}/messages"
_OTHERS = frozenset({"/v1/chat/completions", "/webhooks/rest/webhook"})
_MESSAGE = re.compile(r"/v1/conversations/([\w-]{1,64})/messages", re.ASCII)


@dataclass(frozen=True, slots=True)
class Refused:
    """The route that was not gone, for the figures."""

    path: str


class Door:
    """Stands behind the guards of hosts and origins, before whoever asks is known: the refusal says nothing
    but how busy the server is."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            found = _MESSAGE.fullmatch(scope["path"])
            if found is not None or scope["path"] in _OTHERS:
                services = getattr(scope["app"].state, "services", None)  # None: not started
                busy = cast(Services, services).runs.refusal(found[1] if found else "") if services else None
                if busy is not None:
                    scope["route"] = Refused(_NATIVE if found else scope["path"])
                    scope.setdefault("senmon.log", {})["code"] = busy.code
                    await senmon_response(scope["path"], busy)(scope, receive, send)
                    return
        await self.app(scope, receive, send)
