"""The request that a declared action becomes. Whatever somebody says stays inside its own place of it."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from senmon.errors import ActionFailed, ActionRejected
from senmon.packs.http_spec import (
    PLACEHOLDER,
    REPEATABLE,
    VARIABLE,
    HttpCall,
    HttpService,
    all_headers,
    full_url,
    placeholders,
)

#: Name → value of the environment's variable, or None.
Environment = Callable[[str], str | None]
MAX_VALUE = 512
KEY_HEADER = "Idempotency-Key"
_ABSENT = object()


class MissingValue(Exception):
    """A value without which nothing can be sent; `args[0]` is its name."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """`url` is whole and percent-encoded. `repeatable`: sending it twice does no harm. Never logged."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    repeatable: bool

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        parts = urlsplit(self.url)
        return parts.port or (443 if parts.scheme == "https" else 80)

    def __repr__(self) -> str:
        """Without headers and path: they hold secrets and customers' numbers."""
        return f"HttpRequest({self.method} {self.host})"


def build_request(
    service: HttpService, call: HttpCall, values: Mapping[str, Any], environment: Environment, key: str
) -> HttpRequest:
    """Raises MissingValue, ActionRejected (a value can't be sent), ActionFailed (a variable is not set)."""
    present = {name: value for name, value in values.items() if value not in (None, "")}
    used = placeholders(service, call)
    for name in call.needs:
        if name not in present:
            raise MissingValue(name)
    for name in used & present.keys():
        _check(name, present[name])
    headers = {
        name: _header(name, text, present, environment) for name, text in all_headers(service, call).items()
    }
    body = None if call.body is None else _json(_body(call.body, present))
    if body is not None:
        headers["Content-Type"] = "application/json"
    if call.method != "GET":
        headers[KEY_HEADER] = key
    return HttpRequest(
        method=call.method,
        url=_url(full_url(service, call), call, present),
        headers={"Accept": "application/json", **headers},
        body=body,
        repeatable=call.method in REPEATABLE or call.idempotent,
    )


def idempotency_key(sender: str, pack: str, action: str, turn: int, arguments: Mapping[str, Any]) -> str:
    """The same call of the same turn has the same key, whoever repeats it. Nobody's key can be guessed."""
    if sender == "local":  # no stored conversation: equal words of two people are two calls
        return str(uuid.uuid4())
    said = json.dumps([sender, pack, action, turn, dict(arguments)], sort_keys=True, default=str)
    return str(uuid.UUID(bytes=hashlib.sha256(said.encode("utf-8", "replace")).digest()[:16], version=4))


def _check(name: str, value: Any) -> None:
    if isinstance(value, dict | list):
        if len(json.dumps(value, default=str)) > MAX_VALUE * 8:
            raise ActionRejected(f"`{name}` is too long.", field=name)
        return
    text = _plain(value)
    if len(text) > MAX_VALUE or re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", text):
        raise ActionRejected(f"`{name}` is too long, or holds control characters.", field=name)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        raise ActionFailed("A list or an object can only be sent in a body.")
    return str(value)


def _url(template: str, call: HttpCall, values: Mapping[str, Any]) -> str:
    head, mark, tail = template.partition("?")
    scheme, _, rest = head.partition("://")
    host, slash, path = rest.partition("/")
    url = f"{scheme}://{host}/" + "/".join(_segment(part, values) for part in path.split("/") if slash)
    query = {name: _text(text, values) for name, text in call.query.items()}
    more = urlencode({name: value for name, value in query.items() if value is not _ABSENT}, quote_via=quote)
    joined = "&".join(part for part in (tail if mark else "", more) if part)
    return f"{url}?{joined}" if joined else url


def _segment(template: str, values: Mapping[str, Any]) -> str:
    """One part of the path. A value that would be none, or lead out of it, is refused."""

    def encoded(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise MissingValue(match[1])
        return quote(_plain(values[match[1]]), safe="")

    filled = PLACEHOLDER.sub(encoded, template)
    if filled != template and (not filled.strip() or set(filled) <= {"."}):
        name = PLACEHOLDER.findall(template)[0]
        raise ActionRejected(f"`{name}` can't be part of an address.", field=name)
    return filled if filled != template else quote(template, safe="/%:@!$&'()*+,;=~-._")


def _header(name: str, template: str, values: Mapping[str, Any], environment: Environment) -> str:
    # Split first: what a variable or an argument holds is never read as a template itself.
    parts = re.split(r"(\$\{[A-Za-z_]\w*\})", template)
    text = "".join(
        _variable(each[2:-1], environment) if VARIABLE.fullmatch(each) else _required(each, values)
        for each in parts
    )
    if re.search(r"[^\x20-\x7e]", text):
        raise ActionRejected(f"The header {name} would hold characters that headers don't have.")
    return text


def _variable(name: str, environment: Environment) -> str:
    value = (environment(name) or "").strip()
    if not value or re.search(r"[^\x20-\x7e]", value):
        raise ActionFailed(
            f"The variable {name} is not set, or is no text for a header.",
            remedy=f"set {name} for the server",
        )
    return value


def _required(template: str, values: Mapping[str, Any]) -> str:
    def put(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise MissingValue(match[1])
        return _plain(values[match[1]])

    return PLACEHOLDER.sub(put, template)


def _text(template: str, values: Mapping[str, Any]) -> Any:
    """The template filled in; absent when one of its values is."""
    names = PLACEHOLDER.findall(template)
    if any(name not in values for name in names):
        return _ABSENT
    return PLACEHOLDER.sub(lambda match: _plain(values[match[1]]), template)


def _body(template: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(template, str):
        alone = PLACEHOLDER.fullmatch(template)
        return values.get(alone[1], _ABSENT) if alone else _text(template, values)
    if isinstance(template, dict):
        filled = {key: _body(each, values) for key, each in template.items()}
        return {key: value for key, value in filled.items() if value is not _ABSENT}
    if isinstance(template, list | tuple):
        return [value for each in template if (value := _body(each, values)) is not _ABSENT]
    return template


def _json(value: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise ActionRejected("The arguments can't be sent as JSON.") from error
