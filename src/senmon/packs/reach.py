"""Where a pack's actions lead: whom the server would call for it, with which variables of its environment.

The operator's permission is bound to this as to the pack's Python: another address asks again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from senmon.packs.http_spec import all_headers, full_url, origin, variables
from senmon.packs.pack import Pack


@dataclass(frozen=True, slots=True)
class Destination:
    """One address that actions of a pack call."""

    action: str
    method: str
    url: str
    variables: tuple[str, ...] = ()

    @property
    def origin(self) -> str:
        return origin(self.url)


def destinations(pack: Pack) -> tuple[Destination, ...]:
    """Every address outside this process, in the manifest's order."""
    return tuple(_destinations(pack))


def _destinations(pack: Pack) -> Iterator[Destination]:
    actions = pack.manifest.actions
    for spec in actions.specs:
        if spec.http is not None:
            url, names = full_url(actions.http, spec.http), variables(actions.http, spec.http)
            yield Destination(spec.name, spec.http.method, url, names)
        elif actions.runtime == "server" and not spec.handover:
            yield Destination(spec.name, "POST", actions.url)


def permission_digest(pack: Pack) -> str:
    """What a permission is bound to: the pack's Python, its action server, the requests it declares.

    Empty when there is nothing to allow. Without addresses it is the digest of the Python alone.
    """
    if not destinations(pack):
        return pack.code_digest
    text = json.dumps({"code": pack.code_digest, **_requests(pack)}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _requests(pack: Pack) -> dict[str, Any]:
    actions = pack.manifest.actions
    http = {
        spec.name: {
            "method": spec.http.method,
            "url": full_url(actions.http, spec.http),
            "query": spec.http.query,
            "headers": all_headers(actions.http, spec.http),
            "body": spec.http.body,
        }
        for spec in actions.specs
        if spec.http is not None
    }
    server = actions.url if actions.runtime == "server" else ""
    return {"server": server, "http": http, "private_network": actions.http.private_network}
