"""`senmon webhooks`: other systems that are told of handovers, feedback and gates."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from senmon.cli import output
from senmon.cli.plain_text import plain, safe
from senmon.cli.state import home_of, with_store
from senmon.errors import ConfigError
from senmon.settings import Settings

if TYPE_CHECKING:
    from senmon.store.store import Store
    from senmon.store.webhooks import Delivery, Webhook


app = typer.Typer(help="Other systems that are told of handovers, feedback and gates.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Id = Annotated[str, typer.Argument(help="Id as listed, or its beginning.")]


@app.command()
def add(
    url: Annotated[str, typer.Argument(help="An https address that takes POST.")],
    event: Annotated[
        list[str] | None,
        typer.Option("--event", help="`handover`, `feedback` or `gate`; repeatable. Default: all."),
    ] = None,
    site: Annotated[str | None, typer.Option(help="Only what happens on this site.")] = None,
    json: Json = False,
) -> None:
    """Register an address. Prints its secret once: the receiver checks the signatures with it.

    Events are signed as Standard Webhooks defines it, and sent again, for about four hours, until the
    address answers with 2xx. Private networks and http are refused (SENMON_WEBHOOKS_PRIVATE=true allows
    them); redirects are not followed.
    """
    from senmon.server.secret import load_secret
    from senmon.server.webhooks.signing import webhook_secret
    from senmon.server.webhooks.targets import check_url
    from senmon.store.webhooks import FAMILIES

    settings = Settings.load()
    chosen = tuple(dict.fromkeys(event or FAMILIES))
    for name in chosen:
        if name not in FAMILIES:
            raise ConfigError(f"no events are called {name!r}", remedy=f"one of: {', '.join(FAMILIES)}")
    check_url(url, private=settings.webhooks_private)
    made = with_store(settings, lambda store: store.webhooks.add(url, chosen, site))
    secret = webhook_secret(load_secret(home_of(settings)), made.id)
    words = f"{made.id[:8]} is told of {', '.join(chosen)}. Its secret, for the receiver:\n{secret}"
    output.emit({**_json(made), "secret": secret}, Text(words), json=json)


@app.command("list")
def list_(json: Json = False) -> None:
    """List webhooks, and how many events wait, arrived, or were given up."""

    async def work(store: Store) -> tuple[tuple[Webhook, ...], dict[Any, dict[Any, int]]]:
        return await store.webhooks.all(), await store.webhooks.counts()

    found, counts = with_store(Settings.load(), work)
    table = Table("id", "events", "site", "waiting", "delivered", "given up", "address")
    data: list[dict[str, Any]] = []
    for each in found:
        mine = counts.get(each.id, {})
        figures = [str(mine.get(state, 0)) for state in ("waiting", "delivered", "given up")]
        cells = (each.id[:8], ", ".join(each.events), each.site or "all", *figures, each.url)
        table.add_row(*map(safe, cells))
        data.append({**_json(each), "deliveries": mine})
    if None in counts:
        figures = [str(counts[None].get(state, 0)) for state in ("waiting", "delivered", "given up")]
        table.add_row("chatwoot", "replies", "chatwoot", *figures, "")
        data.append({"id": "chatwoot", "deliveries": counts[None]})
    nothing = Text("No webhooks. Register one: senmon webhooks add https://example.com/hook")
    output.emit(data, table if data else nothing, json=json)


@app.command()
def show(
    id: Annotated[str, typer.Argument(help="Id as listed, or its beginning; `chatwoot`: its replies.")],
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, the newest first.")] = 20,
    json: Json = False,
) -> None:
    """Show what was sent to a webhook lately, and why something did not arrive."""

    async def work(store: Store) -> tuple[Delivery, ...]:
        webhook = None if id == "chatwoot" else (await store.webhooks.get(id)).id
        return await store.webhooks.deliveries(webhook, limit)

    found = with_store(Settings.load(), work)
    table = Table("when", "event", "state", "tries", "next try", "why")
    for each in found:
        due = f"{each.due:%H:%M:%S}" if each.due else "–"
        cells = (f"{each.created:%Y-%m-%d %H:%M}", each.type, each.state, str(each.attempts), due, each.note)
        table.add_row(*map(safe, cells))
    output.emit([asdict(each) for each in found], table if found else Text("Nothing was sent."), json=json)


@app.command()
def test(id: Id, json: Json = False) -> None:
    """Send the event `test.ping` now, and say whether it arrived. Exit 1 when it did not."""
    from senmon.server.secret import load_secret
    from senmon.server.webhooks.courier import Courier

    settings = Settings.load()

    async def work(store: Store) -> str:
        webhook = await store.webhooks.get(id)
        return await Courier(store, settings, load_secret(home_of(settings))).test(webhook)

    why = with_store(settings, work)
    output.emit({"arrived": not why, "why": why}, Text(plain(why or "arrived")), json=json)
    if why:
        raise typer.Exit(1)


@app.command()
def retry(
    id: Annotated[str | None, typer.Argument(help="Id as listed, or its beginning. Default: all.")] = None,
    json: Json = False,
) -> None:
    """Try at once what waits or was given up; a running server sends it within seconds."""

    async def work(store: Store) -> int:
        return await store.webhooks.retry((await store.webhooks.get(id)).id if id else None)

    count = with_store(Settings.load(), work)
    output.emit({"queued": count}, Text(f"{count} events are tried again"), json=json)


@app.command()
def remove(ids: Annotated[list[str], typer.Argument(help="Ids as listed.")], json: Json = False) -> None:
    """Remove webhooks, and what waits for them."""

    async def work(store: Store) -> list[str]:
        found = [(await store.webhooks.get(id)).id for id in dict.fromkeys(ids)]
        for each in found:
            await store.webhooks.remove(each)
        return found

    gone = with_store(Settings.load(), work)
    output.emit({"removed": gone}, Group(*(Text(f"{each[:8]} is removed") for each in gone)), json=json)


def _json(webhook: Webhook) -> dict[str, Any]:
    return {**asdict(webhook), "created": webhook.created.isoformat()}
