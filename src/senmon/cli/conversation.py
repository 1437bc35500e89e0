"""A conversation in the terminal, and the router without the rest."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import TypeAdapter, ValidationError
from rich.markup import escape

from senmon.cli.output import console, emit_line, note
from senmon.errors import PackNotFound, RequestInvalid
from senmon.messages import Conversation, Event, Identity
from senmon.routing.router import Router
from senmon.server.text import SpokenText, check_length
from senmon.settings import Settings
from senmon.shelf import Shelf
from senmon.workspace import Workspace


def load_router(settings: Settings) -> Router:
    """The router over the packs of these settings, from its saved form when nothing changed."""
    workspace = Workspace.open(settings)
    catalog = Shelf(workspace, workspace.base.digest).build()
    for problem in catalog.problems:
        note(f"[yellow]left out:[/] {escape(problem)}")
    if catalog.router is None:
        raise PackNotFound("there is no pack to route to", remedy="`senmon new NAME` makes one")
    return catalog.router


async def talk(
    settings: Settings, lines: Iterator[str], *, pinned: str | None, customer: str | None, json: bool
) -> None:
    """Answer `lines` in order, as one conversation that is kept in memory only."""
    workspace = Workspace.open(settings)
    workspace.catalog = Shelf(workspace, workspace.base.digest).build()
    assistant = workspace.make_assistant()
    identity = Identity(customer=customer)
    state = Conversation(id="terminal")
    try:
        for line in lines:
            try:
                text = spoken(line, settings.max_message_chars)
            except RequestInvalid as error:
                _show(Event("error", {"code": error.code, "message": str(error)}), json)
                continue
            run = Event("run", {"text": text}, {"messages": [{"role": "user", "content": text}]})
            before, state = state, state.apply(run)
            if json:
                emit_line({"type": "run", "data": {"text": text}})
            async for event in assistant.reply(before, text, identity, pinned=pinned):
                state = state.apply(event)
                _show(event, json)
    finally:
        await workspace.engine().close()


def spoken(line: str, limit: int) -> str:
    """A message as the server would take it. Raises RequestInvalid for an empty, over-long or binary one."""
    check_length(line, limit, "the message")
    try:
        return TypeAdapter(SpokenText).validate_python(line)
    except ValidationError as error:
        why = error.errors()[0]["msg"].removeprefix("Value error, ") if line.strip() else "is empty"
        raise RequestInvalid(f"the message {why}", remedy="write it as plain text") from error


def _show(event: Event, json: bool) -> None:
    if json:
        emit_line({"type": event.type, "data": dict(event.data)})
    elif event.type == "route":
        console.print(f"[bold green]{event.data.get('pack') or 'nobody'}[/] ", end="")
    elif event.type == "action" and event.data.get("status") == "started":
        console.print(f"[dim]({event.data.get('label') or event.data.get('name')} …)[/] ", end="")
    elif event.type == "delta":
        console.print(event.data["text"], end="", markup=False)
    elif event.type == "error":
        console.print(f"[red]{escape(str(event.private.get('detail') or event.data['message']))}[/]")
    elif event.type == "done":
        console.print()
