"""What declared HTTP actions must obey, so that no visitor's word can choose whom the server talks to."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from urllib.parse import SplitResult, urlsplit

from senmon.packs.http_spec import (
    VARIABLE,
    HttpCall,
    HttpService,
    full_url,
    names_in,
    placeholders,
    variables,
)
from senmon.packs.manifest import ActionSpec, PackManifest
from senmon.packs.yaml_text import Place

Fault = tuple[Place, str, str]
IDENTITY = "customer_id"
#: Our own secrets are no pack's business.
OURS = "SENMON_"
#: Set by the client itself; a second one could split a request in two.
RESERVED = frozenset(
    {
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "accept-encoding",
        "idempotency-key",
        "te",
        "upgrade",
    }
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_PLACE: Place = ("actions", "specs")


def http_problems(manifest: PackManifest) -> Iterator[Fault]:
    """Place, reason and remedy of every fault."""
    actions = manifest.actions
    yield from _header_faults(("actions", "http", "headers"), actions.http.headers)
    known = _remembered(manifest)
    taken = {name for spec in actions.specs for name in spec.parameters.get("properties", {})}
    for index, spec in enumerate(actions.specs):
        if spec.handover and spec.http is not None:
            yield (*_PLACE, index, "http"), "a handover sends no request", "remove http, or handover"
        if spec.http is None:
            if not spec.handover and actions.runtime == "http":
                yield (
                    (*_PLACE, index),
                    f"`{spec.name}` declares no request",
                    "add http: {method: GET, url: /…}",
                )
            continue
        for place, why, remedy in _call_faults(actions.http, spec, spec.http, known):
            yield (*_PLACE, index, "http", *place), why, remedy
        for slot in sorted(taken & spec.http.remember_once.keys()):
            why = f"`{slot}` is an argument too, so the model could make it up"
            yield (*_PLACE, index, "http", "remember_once", slot), why, "choose another name"


def _remembered(manifest: PackManifest) -> set[str] | None:
    """Slots that declared actions keep; None when there is code, which may keep any."""
    specs = manifest.actions.specs
    if any(spec.http is None and not spec.handover for spec in specs):
        return None
    return {slot for spec in specs if spec.http for slot in (*spec.http.remember, *spec.http.remember_once)}


def _call_faults(
    service: HttpService, spec: ActionSpec, call: HttpCall, known: set[str] | None
) -> Iterator[Fault]:
    yield from _url_faults(service, call)
    yield from _header_faults(("headers",), call.headers)
    yield from _secret_faults(service, call)
    yield from _name_faults(service, spec, call, known)
    yield from _result_faults(spec, call)
    if call.method == "GET" and call.body is not None:
        yield ("body",), "a GET has no body", "use query, or another method"


def _url_faults(service: HttpService, call: HttpCall) -> Iterator[Fault]:
    url = full_url(service, call)
    if not re.match(r"^https?://[^/?#]", url):
        why = f"`{url[:80]}` is no http address"
        yield ("url",), why, "write a whole address, or set actions.http.url: https://…"
        return
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 (raises for a port that is none)
    except ValueError as error:
        yield ("url",), f"is no address: {error}", "write https://host/path"
        return
    if "{" in parts.netloc or "}" in parts.netloc:
        yield ("url",), "the host must not depend on what somebody says", "write the host out"
    elif not _is_host(parts):
        yield ("url",), f"`{parts.netloc[:80]}` is no host", "write a host's name, and a port if it needs one"
    if "@" in parts.netloc:
        yield ("url",), "has a user or password in it", "send it as a header: Authorization: Basic ${NAME}"
    if parts.fragment or "#" in url:
        yield ("url",), "has a fragment, which is never sent", "remove what follows #"
    if "{" in parts.query:
        yield ("url",), "has a placeholder after the question mark", "write it under query"
    if re.search(r"[\s\\\x00-\x1f\x7f]", url) or VARIABLE.search(url):
        yield ("url",), "has white space, a backslash or ${…} in it", "only {name} is filled in here"
    if {".", ".."} & set(parts.path.split("/")):
        yield ("url",), "has `.` or `..` in its path", "write the path out"
    leftover = re.sub(r"\{[A-Za-z_]\w*\}", "", parts.path)
    if "{" in leftover or "}" in leftover:
        yield ("url",), "has a brace that belongs to no {name}", "write {name}, letters, digits and _"


def _is_host(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    if ":" in host:
        return _is_address(host)
    return bool(re.fullmatch(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?", host))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_private(host: str) -> bool:
    """Whether the address as written lies in a private network: `localhost`, 10.0.0.1, [::1]."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    return _is_address(host) and not ipaddress.ip_address(host).is_global


def _header_faults(place: Place, headers: Mapping[str, str]) -> Iterator[Fault]:
    for name, text in headers.items():
        if not _TOKEN.fullmatch(name):
            yield (*place, name), "is no header's name", "letters, digits and -"
        elif name.lower() in RESERVED:
            yield (*place, name), f"the server sets `{name}` itself", "remove it"
        if re.search(r"[^\x20-\x7e]", text):
            yield (*place, name), "has a line break or a character that headers don't have", "use plain ASCII"
        for variable in VARIABLE.findall(text):
            if variable.upper().startswith(OURS):
                yield (*place, name), f"${{{variable}}} is senmon's own", "use a variable of the service"


def _secret_faults(service: HttpService, call: HttpCall) -> Iterator[Fault]:
    names = variables(service, call)
    url = full_url(service, call)
    if not names or not url.startswith("http://") or service.private_network:
        return
    if not is_private(urlsplit(url).hostname or ""):
        why = f"would send ${{{names[0]}}} unencrypted"
        yield ("url",), why, "use https, or set actions.http.private_network for a host of your own network"


def _name_faults(
    service: HttpService, spec: ActionSpec, call: HttpCall, known: set[str] | None
) -> Iterator[Fault]:
    names = placeholders(service, call)
    arguments = set(spec.parameters.get("properties", {}))
    unknown = names - arguments - {IDENTITY} - (known or set())
    for name in sorted(unknown) if known is not None else ():
        fitting = ", ".join(sorted(arguments | (known or set()))) or "none"
        why = f"{{{name}}} is neither an argument nor remembered by an action"
        yield ("url",), why, f"known: {fitting}, {IDENTITY}"
    if IDENTITY in names and spec.identity != "customer":
        why = f"{{{IDENTITY}}} is there for a verified customer only"
        yield ("url",), why, "set identity: customer for this action"
    if spec.identity == "customer" and IDENTITY not in names:
        why = "the service is not told who the customer is, so anybody's data could be asked for"
        yield ("url",), why, f"put {{{IDENTITY}}} into url, query, headers or body"
    for name in call.needs:
        if name not in names:
            yield (
                ("needs",),
                f"`{name}` is in no template of the request",
                f"known: {', '.join(sorted(names))}",
            )


def _result_faults(spec: ActionSpec, call: HttpCall) -> Iterator[Fault]:
    given = {*call.result, *call.lists, *call.constants}
    given |= {field for error in call.errors.values() for field in error.fields} | {"error", "missing"}
    for part in ("remember", "remember_once"):
        if IDENTITY in getattr(call, part):
            yield (part, IDENTITY), "identity is set by the server", "choose another name"
    for field in call.values:
        if field not in given:
            yield (
                ("values", field),
                f"the result has no field `{field}`",
                f"known: {', '.join(sorted(given))}",
            )
    for name, each in call.lists.items():
        for field in names_in(each.item):
            if field not in each.fields:
                fitting = ", ".join(sorted(each.fields)) or "none"
                yield ("lists", name, "item"), f"{{{field}}} is none of its fields", f"known: {fitting}"
    yield from _clash_faults(given)
    if spec.reply == "verbatim" and not call.text:
        yield ("text",), "a verbatim action needs its text", "add text, or use reply: rephrase"


def _clash_faults(given: set[str]) -> Iterator[Fault]:
    for field in sorted(given):
        parts = field.split(".")
        if above := given & {".".join(parts[:length]) for length in range(1, len(parts))}:
            why = f"`{field}` and `{sorted(above)[0]}` can't both be fields"
            yield ("result",), why, "give one of them another name"
