"""Pages from templates. What people or models wrote is escaped; Markdown of replies makes few tags."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.responses import Response

from senmon.server.console.access import may
from senmon.server.console.session import csrf_of
from senmon.store.reviews import handle

HERE = Path(__file__).parent
STATIC = HERE / "static"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    # The Origin of a form is told to our own pages only, and to them it must be.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
#: The pages in the order of the menu: address, name, icon.
MENU = (
    ("/console/inbox", "Inbox", "inbox"),
    ("/console/review", "Review", "review"),
    ("/console/data", "Data", "data"),
    ("/console/runs", "Runs", "runs"),
    ("/console/adapters", "Adapters", "adapters"),
    ("/console/gaps", "Gaps", "gaps"),
    ("/console/class", "Class", "class"),
    ("/console/sites", "Sites", "sites"),
    ("/console/staff", "Staff", "staff"),
    ("/console/audit", "Audit log", "audit"),
)
THEMES = ("auto", "light", "dark")
_MARKDOWN = MarkdownIt("zero", {"html": False}).enable(
    ["emphasis", "backticks", "fence", "list", "newline", "escape"]
)


def render(request: Request, template: str, /, **context: Any) -> Response:
    """A page, or a part of one, for whoever asks."""
    text = text_of(request, template, **context)
    return Response(text, media_type="text/html; charset=utf-8", headers=HEADERS)


def text_of(request: Request, template: str, /, **context: Any) -> str:
    staff = getattr(request.state, "staff", None)
    menu = [
        {"href": href, "name": name, "icon": icon, "here": request.url.path.startswith(href)}
        for href, name, icon in MENU
        if staff is not None and may(staff.role, "GET", href)
    ]
    theme = request.cookies.get("senmon_console_theme", "auto")
    given = {
        "staff": staff,
        "menu": menu,
        "csrf": csrf_of(request),
        "theme": theme if theme in THEMES else "auto",
        "may": lambda method, path: staff is not None and may(staff.role, method, path),
        **context,
    }
    return _environment().get_template(template).render(given)


def live(request: Request, template: str, /, **context: Any) -> Response:
    """A part that asks for itself again: nothing (204) while it is what the page has `seen`."""
    text = text_of(request, template, seen="", **context)
    seen = hashlib.sha256(text.encode()).hexdigest()[:16]
    if request.query_params.get("seen") == seen:
        return Response(status_code=204, headers=HEADERS)
    return render(request, template, seen=seen, **context)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "ago": ago,
        "moment": moment,
        "markdown": markdown,
        "short": lambda run: handle(str(run))[:8],
        "percent": lambda value: f"{100 * value:.0f} %",
        "number": number,
        "sentence": lambda text: text[:1].upper() + text[1:],
    }
    made.globals |= {"version": version}
    return made


@cache
def version(name: str) -> str:
    """So that a changed file has another address."""
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:10]


def markdown(text: str) -> Markup:
    """Emphasis, lists and code; no links, no pictures, no HTML."""
    return Markup(_MARKDOWN.render(text[:20_000]))  # noqa: S704 – the renderer escapes text, and makes no links


def number(value: Any) -> str:
    """Three digits; whole where that is enough."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def moment(when: datetime | str | None) -> str:
    if isinstance(when, str):
        return when[:16].replace("T", " ")
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M}" if when else "–"


def ago(when: datetime) -> str:
    """`now`, `5 min`, `3 h`, `2 d`, then the date."""
    seconds = (datetime.now(UTC) - when).total_seconds()
    for limit, size, unit in (
        (90, 0, "now"),
        (5400, 60, "min"),
        (129_600, 3600, "h"),
        (864_000, 86_400, "d"),
    ):
        if seconds < limit:
            return f"{round(seconds / size)} {unit}" if size else unit
    return f"{when:%Y-%m-%d}"


def query_of(given: Mapping[str, str]) -> Mapping[str, str]:
    """Without what is empty."""
    return {name: value for name, value in given.items() if value}
