"""Actions by declaration: which request a call becomes, and what of the answer a reply may use.

`{name}` in a template is an argument, a remembered value, or `customer_id` of the verified identity;
`${NAME}` in a header is a variable of the server's environment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field

from senmon.packs.strict import Strict

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
#: Methods whose repetition changes nothing more (RFC 9110, 9.2.2).
REPEATABLE = frozenset({"GET", "PUT", "DELETE"})
PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)\}")
VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}")
Status = Annotated[int, Field(ge=400, le=599)]
Path = Annotated[str, Field(min_length=1, max_length=200)]
FieldName = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*){0,3}$")]


class HttpService(Strict):
    """What all HTTP actions of a pack share."""

    url: str = Field(
        "",
        description="Address that relative addresses of the actions follow, such as https://api.shop.example/v1.",
    )
    headers: dict[str, str] = Field(
        default_factory=dict,
        description="Headers of every request. `${NAME}` is a variable of the server's environment.",
    )
    private_network: bool = Field(
        False,
        description="The host's name may lead to a private address. Addresses written as such need no leave.",
    )


class HttpList(Strict):
    """A list of the answer, cut to what a reply can hold."""

    path: Path = Field(description="Where the list is in the answer.")
    limit: int = Field(5, ge=1, le=20, description="So many entries at most.")
    fields: dict[FieldName, Path] = Field(
        default_factory=dict, description="Field → path within an entry. None: the entries as they are."
    )
    values: dict[FieldName, dict[str, str]] = Field(
        default_factory=dict, description="Field → other words for its values."
    )
    item: str = Field(
        "",
        max_length=200,
        description="Text of an entry, such as `{id} ({state})` with names of `fields`; "
        "then the list is one text, separated by commas.",
    )


class HttpError(Strict):
    """What an answer with this status means."""

    error: str = Field(
        "", max_length=60, description="Value of the result's field `error`; the model words it."
    )
    fields: dict[FieldName, Path] = Field(
        default_factory=dict, description="Field of the result → path in the answer, such as the reason."
    )


class HttpCall(Strict):
    """The request that a call of the action becomes."""

    method: Method = Field("GET", description="Methods other than GET carry an idempotency key.")
    url: str = Field(
        min_length=1,
        max_length=500,
        description="Address, whole or following `actions.http.url`. `{name}` is an argument, a remembered "
        "value, or `customer_id` of the verified identity; percent-encoded, never in the host.",
    )
    query: dict[str, str] = Field(
        default_factory=dict, description="Query parameters; one whose value is missing is left out."
    )
    headers: dict[str, str] = Field(
        default_factory=dict, description="Headers of this request, beside those of `actions.http`."
    )
    body: dict[str, Any] | None = Field(
        None,
        description="JSON body. A text that is one `{name}` alone keeps its type; a field whose value is "
        "missing is left out.",
    )
    idempotent: bool = Field(
        False,
        description="The service honours `Idempotency-Key`: a POST or PATCH without an answer is sent again.",
    )
    result: dict[FieldName, Path] = Field(
        default_factory=dict,
        description="Field of the result → where its value is in the answer: `delivery.eta`, `lines.0.name` "
        "or a JSON pointer; `.` is the whole answer. Fields that are not there are left out.",
    )
    lists: dict[FieldName, HttpList] = Field(
        default_factory=dict, description="Field of the result → a list of the answer."
    )
    values: dict[FieldName, dict[str, str]] = Field(
        default_factory=dict, description="Field → other words for its values, such as {shipped: on its way}."
    )
    constants: dict[FieldName, str] = Field(
        default_factory=dict, description="Fields that every success has, such as {done: cancelled}."
    )
    errors: dict[Status, HttpError] = Field(
        default_factory=dict,
        description="Status → what it means. Given: 404 not_found, 403 not_allowed, 409 conflict, "
        "422 and 400 refused; 401 asks to sign in; 429 and 5xx have failed.",
    )
    remember: dict[FieldName, Path] = Field(
        default_factory=dict,
        description="Slot → path in the answer of a value to keep for later calls; gone when it lacks it.",
    )
    remember_once: dict[FieldName, Path] = Field(
        default_factory=dict, description="As `remember`, but only for the visitor's next message."
    )
    needs: tuple[str, ...] = Field(
        (),
        description="Values without which nothing is sent: the result's `missing` names the first one.",
    )
    text: str = Field(
        "",
        max_length=500,
        description="Text of a `verbatim` action, with `{order.eta}` for fields of the result.",
    )


def full_url(service: HttpService, call: HttpCall) -> str:
    """The address with its placeholders."""
    if re.match(r"^[A-Za-z][A-Za-z0-9+.-]*:", call.url):
        return call.url
    return service.url.rstrip("/") + "/" + call.url.lstrip("/")


def all_headers(service: HttpService, call: HttpCall) -> dict[str, str]:
    """Those of the call win over the shared ones, upper and lower case alike."""
    own = {name.lower() for name in call.headers}
    return {
        **{name: text for name, text in service.headers.items() if name.lower() not in own},
        **call.headers,
    }


def variables(service: HttpService, call: HttpCall) -> tuple[str, ...]:
    """Names of the variables that its headers need, sorted."""
    found = {name for text in all_headers(service, call).values() for name in VARIABLE.findall(text)}
    return tuple(sorted(found))


def placeholders(service: HttpService, call: HttpCall) -> set[str]:
    """Names that the request is made of."""
    texts = [full_url(service, call), *call.query.values(), *all_headers(service, call).values()]
    return {name for text in (*texts, *_texts(call.body)) for name in names_in(text)}


def names_in(text: str) -> tuple[str, ...]:
    """The `{name}` of a template, without its `${NAME}`."""
    return tuple(PLACEHOLDER.findall(VARIABLE.sub("", text)))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)


def origin(url: str) -> str:
    """`https://host:port` of an address, for people."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
