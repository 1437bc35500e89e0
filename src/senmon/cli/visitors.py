"""`senmon visitors`: all data of one person, to give it out or to erase it."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from senmon.cli import output
from senmon.cli.state import home_of, with_store
from senmon.errors import ConfigError
from senmon.settings import Settings

if TYPE_CHECKING:
    from senmon.store.store import Store

Visitor = Annotated[str | None, typer.Option(help="Id of a visitor: one browser.")]
Customer = Annotated[str | None, typer.Option(help="Id of a customer, as the site's tokens name it (`sub`).")]
Conversation = Annotated[str | None, typer.Option(help="Id of a conversation: the visitor that it is of.")]
Site = Annotated[str | None, typer.Option(help="Of this site only. Default: of all.")]

app = typer.Typer(help="All data of one person: give it out, or erase it.", no_args_is_help=True)


@app.command()
def export(
    visitor: Visitor = None,
    customer: Customer = None,
    conversation: Conversation = None,
    site: Site = None,
    out: Annotated[Path | None, typer.Option(help="File to write; default: standard output.")] = None,
) -> None:
    """Everything that is stored of a person, as JSON: conversations, replies, feedback, ratings, handovers.

    Name a visitor, a customer, or a conversation of the visitor.
    """

    async def work(store: Store) -> list[dict[str, Any]]:
        return await store.people.export(**await _person(store, visitor, customer, conversation, site))

    found = with_store(Settings.load(), work)
    text = jsonlib.dumps(found, ensure_ascii=False, indent=2, default=_plain) + "\n"
    if out is None:
        print(text, end="")
        return
    from senmon.packs.atomic import replaced_file

    with replaced_file(out) as file:
        file.write(text)
    out.chmod(0o600)
    output.console.print(f"{len(found)} conversations written to {out}", markup=False)


@app.command()
def erase(
    visitor: Visitor = None,
    customer: Customer = None,
    conversation: Conversation = None,
    site: Site = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    keep_examples: Annotated[
        bool,
        typer.Option("--keep-examples", help="Leave examples of packs that were made of them: masked lines."),
    ] = False,
) -> None:
    """Delete everything that `export` shows, the visitor's tokens, and what was made of their messages:
    proposals, and the lines of packs that `senmon improve` took in.

    There is no way back. An adapter keeps what it learnt until the next one: `senmon improve PACK --again`.
    """
    from senmon.server.erasing import erase_person
    from senmon.workspace import Workspace

    settings = Settings.load()

    async def look(store: Store) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        person = await _person(store, visitor, customer, conversation, site)
        return person, await store.people.export(**person)

    person, found = with_store(settings, look)
    if not yes:
        typer.confirm(f"Erase {len(found)} conversations for good?", abort=True)
    packs = list(Workspace.open(settings).packs.values())
    gone = with_store(
        settings,
        lambda store: erase_person(store, home_of(settings), packs, person, keep_lines=keep_examples),
    )
    said = [f"erased {gone.conversations} conversations"]
    said += [f"{gone.proposals} proposed corrections"] * bool(gone.proposals)
    said += [f"{gone.lines} examples of packs: tune again to unlearn them"] * bool(gone.lines)
    output.console.print(", ".join(said))


async def _person(
    store: Store, visitor: str | None, customer: str | None, conversation: str | None, site: str | None
) -> dict[str, Any]:
    """As `People` takes it. Raises ConfigError, ConversationNotFound."""
    if sum(each is not None for each in (visitor, customer, conversation)) != 1:
        raise ConfigError("name one person", remedy="one of --visitor ID, --customer ID, --conversation ID")
    if conversation is not None:
        site, visitor = await store.people.visitor_of(conversation)
    return {"visitor": visitor, "customer": customer, "site": site}


def _plain(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
