"""`senmon inbox`: conversations that deserve a look, and what a person decides about them."""

from __future__ import annotations

import getpass
import json as jsonlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from senmon.cli import output
from senmon.cli.plain_text import plain, safe
from senmon.cli.state import with_store
from senmon.errors import ConfigError, SenmonError
from senmon.settings import Settings

if TYPE_CHECKING:
    from senmon.improvement.deciding import Desk
    from senmon.improvement.signals import Item
    from senmon.improvement.talk import Talk, Turn
    from senmon.store.exchanges import Exchange, Review
    from senmon.store.store import Store

T = TypeVar("T")

app = typer.Typer(help="Conversations that deserve a look, and what to learn from them.")

Id = Annotated[str, typer.Argument(help="Id as listed, or its beginning.")]
Ids = Annotated[list[str], typer.Argument(help="Ids as listed, or their beginnings.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reviewer = Annotated[
    str | None, typer.Option(help="Who decides: kept with the decision. Default: your login name.")
]
Note = Annotated[str, typer.Option(help="For those who read the decision later.")]
PackOption = Annotated[
    str | None, typer.Option("--pack", help="The pack that should have answered, if another did or none.")
]
Intent = Annotated[
    str | None, typer.Option(help="What the visitor wants. Default: what the router took it for.")
]
Articles = Annotated[
    list[str] | None,
    typer.Option("--article", help="An article that the reply rests on; repeatable. Default: those shown."),
]


@app.callback(invoke_without_command=True)
def inbox(
    context: typer.Context,
    pack: Annotated[str | None, typer.Option(help="Only this pack's; `none`: what no pack answered.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only with this signal, such as `thumbs down`.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Only of the last so many days.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the most valuable first.")] = 30,
    decided: Annotated[
        bool, typer.Option("--decided", help="What was decided, instead of what waits.")
    ] = False,
    json: Json = False,
) -> None:
    """List exchanges that deserve a look, the most valuable first.

    A visitor's correction or thumb down counts most, then turns that failed, gave up or went to a person,
    then messages that no pack answered, repaired replies, close calls of the router and replies that the
    model was unsure of. `senmon inbox show ID` shows one; then correct it, mark it good, re-route it, make
    it an evaluation case, or dismiss it.
    """
    if context.invoked_subcommand is not None:
        return
    from senmon.improvement.signals import SIGNALS, ranked

    if kind is not None and kind not in SIGNALS:
        raise ConfigError(f"no signal is called {kind!r}", remedy=f"one of: {', '.join(SIGNALS)}")
    since = datetime.now(UTC) - timedelta(days=days) if days else None

    async def work(store: Store) -> list[Exchange]:
        found = store.reviews.exchanges(since=since, undecided=not decided)
        return [each async for each in found if not decided or each.review]

    exchanges = with_store(Settings.load(), work)
    if decided:
        output.emit([_decision_json(each) for each in exchanges], _decisions(exchanges[:limit]), json=json)
        return
    items = ranked(exchanges, pack="-" if pack == "none" else pack, kind=kind)
    output.emit([_item_json(item) for item in items[:limit]], _listed(items, limit), json=json)


@app.command()
def show(id: Id, json: Json = False) -> None:
    """Show a conversation up to an exchange: what was said, shown and called, and what was thought of it."""
    from senmon.improvement.talk import read_talk

    async def work(store: Store) -> tuple[str, Talk]:
        exchange = await store.reviews.exchange(id)
        return exchange.run, await read_talk(store, exchange.conversation)

    run, talk = with_store(Settings.load(), work)
    place = next(at for at, turn in enumerate(talk.turns) if turn.exchange.run == run)
    turns = talk.turns[: place + 1]
    data = [_turn_json(turn) for turn in turns]
    output.emit(data, Group(*(_turn(turn, chosen=turn.exchange.run == run) for turn in turns)), json=json)


@app.command()
def correct(
    id: Id,
    reply: Annotated[
        str | None,
        typer.Option(
            help="What it should have said. Values of facts are turned into "
            "references such as [[article.return_days]]."
        ),
    ] = None,
    call: Annotated[
        str | None,
        typer.Option(help='What it should have called: {"name": "order_status", "arguments": {…}}.'),
    ] = None,
    pack: PackOption = None,
    intent: Intent = None,
    article: Articles = None,
    alone: Annotated[
        bool, typer.Option("--alone", help="Without the calls that it made: they were wrong too.")
    ] = False,
    note: Note = "",
    reviewer: Reviewer = None,
    json: Json = False,
) -> None:
    """Say what the reply should have been. The next `senmon improve` learns it."""
    asked = _object(call, "--call") if call is not None else None
    if asked is not None and (
        set(asked) != {"name", "arguments"} or not isinstance(asked["arguments"], dict)
    ):
        raise ConfigError("--call has a name and arguments", remedy='{"name": "…", "arguments": {…}}')
    articles = tuple(article) if article is not None else None
    _one(
        reviewer,
        lambda desk: desk.correct(
            id, reply=reply, call=asked, pack=pack, intent=intent, articles=articles, alone=alone, note=note
        ),
        json,
    )


@app.command()
def good(
    ids: Ids, intent: Intent = None, note: Note = "", reviewer: Reviewer = None, json: Json = False
) -> None:
    """Mark replies as good: the next `senmon improve` learns from them as they are."""
    _each(reviewer, ids, lambda desk, id: desk.good(id, intent=intent, note=note), json)


@app.command()
def reroute(
    ids: Ids,
    pack: Annotated[str, typer.Option(help="The pack that the messages belong to, or `none`.")],
    note: Note = "",
    reviewer: Reviewer = None,
    json: Json = False,
) -> None:
    """Say to which pack messages belong. A running server learns it within seconds."""
    chosen = None if pack == "none" else pack
    _each(reviewer, ids, lambda desk, id: desk.reroute(id, chosen, note=note), json)


@app.command("eval")
def mark_eval(
    id: Id,
    contains: Annotated[
        list[str] | None, typer.Option(help="A right reply has one of these; repeatable.")
    ] = None,
    absent: Annotated[list[str] | None, typer.Option(help="No right reply has this; repeatable.")] = None,
    reference: Annotated[
        list[str] | None, typer.Option(help="A fact that the reply must name, such as order.eta; repeatable.")
    ] = None,
    action: Annotated[str | None, typer.Option(help="The action that must be called; `none`: none.")] = None,
    arguments: Annotated[str | None, typer.Option(help="Its arguments, as JSON.")] = None,
    pack: PackOption = None,
    intent: Intent = None,
    article: Articles = None,
    note: Note = "",
    reviewer: Reviewer = None,
    json: Json = False,
) -> None:
    """Make an exchange a regression case (eval/regressions.jsonl): asked of every adapter, never learnt."""
    if action is None and not (contains or absent or reference):
        raise ConfigError(
            "what must a right reply have?", remedy="--contains, --absent, --reference or --action"
        )
    expect: dict[str, Any] = {"contains": contains, "absent": absent, "references": reference}
    expect = {name: value for name, value in expect.items() if value}
    if action is not None:
        given = _object(arguments, "--arguments") if arguments else {}
        expect = {"action": None if action == "none" else action, **({"arguments": given} if given else {})}
    articles = tuple(article) if article is not None else None
    _one(
        reviewer,
        lambda desk: desk.mark_eval(id, expect, pack=pack, intent=intent, articles=articles, note=note),
        json,
    )


@app.command()
def dismiss(ids: Ids, note: Note = "", reviewer: Reviewer = None, json: Json = False) -> None:
    """Nothing to learn here: exchanges leave the inbox. What was learnt of them before goes out again."""
    _each(reviewer, ids, lambda desk, id: desk.dismiss(id, note=note), json)


@app.command()
def undo(ids: Ids, json: Json = False) -> None:
    """Take decisions back: exchanges wait again."""

    async def work(store: Store) -> list[Review | None]:
        return [await store.reviews.undo((await store.reviews.exchange(id)).run) for id in dict.fromkeys(ids)]

    gone = with_store(Settings.load(), work)
    count = sum(review is not None for review in gone)
    output.emit({"undone": count}, Text(f"{count} decisions taken back"), json=json)


# --- deciding


def _desk(store: Store, reviewer: str | None) -> Desk:
    from senmon.improvement.deciding import Desk
    from senmon.workspace import Workspace

    workspace = Workspace.open(Settings.load())
    return Desk(
        store, workspace.home, workspace.pack, reviewer if reviewer is not None else getpass.getuser()
    )


def _one(reviewer: str | None, decide: Callable[[Desk], Awaitable[tuple[Review, bool]]], json: bool) -> None:
    async def work(store: Store) -> tuple[Review, bool]:
        return await decide(_desk(store, reviewer))

    review, new = with_store(Settings.load(), work)
    output.emit({**_review_json(review), "new": new}, _decided(review, new), json=json)


def _each(
    reviewer: str | None,
    ids: list[str],
    decide: Callable[[Desk, str], Awaitable[tuple[Review, bool]]],
    json: bool,
) -> None:
    """Each on its own: what can't be decided is told at the end, and the rest is."""

    async def work(store: Store) -> tuple[list[tuple[Review, bool]], list[tuple[str, SenmonError]]]:
        desk, done, failed = _desk(store, reviewer), [], []
        for id in dict.fromkeys(ids):
            try:
                done.append(await decide(desk, id))
            except SenmonError as error:
                failed.append((id, error))
        return done, failed

    done, failed = with_store(Settings.load(), work)
    if not done and len(failed) == 1:
        raise failed[0][1]
    data = {
        "done": [{**_review_json(review), "new": new} for review, new in done],
        "failed": [{"id": id, "code": error.code, "message": str(error)} for id, error in failed],
    }
    shown = [_decided(review, new) for review, new in done]
    shown += [Text(plain(f"{id}: {error}"), style="red") for id, error in failed]
    output.emit(data, Group(*shown), json=json)
    if failed:
        raise typer.Exit(1)


def _object(text: str, option: str) -> dict[str, Any]:
    from senmon.packs.jsonl import parse_object

    try:
        return parse_object(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}", remedy="write a JSON object in single quotes") from error


_WORDS = {
    "correct": "corrected: the next `senmon improve` learns it",
    "good": "good: the next `senmon improve` learns from it",
    "reroute": "re-routed: the router learns it within seconds",
    "eval": "an evaluation case: asked of every adapter from the next `senmon improve` on",
    "dismiss": "dismissed",
}


def _decided(review: Review, new: bool) -> Text:
    words = _WORDS[review.kind] if new else f"{review.kind}: decided so before, by {review.reviewer}"
    return Text(f"{_short(review.run)} {words}")


# --- showing


def _short(run: str) -> str:
    from senmon.store.reviews import handle

    return handle(run)[:8]


def _listed(items: tuple[Item, ...], limit: int) -> RenderableType:
    if not items:
        return Text("Nothing waits. `senmon inbox --decided` lists what was decided.")
    table = Table("id", "value", "pack", "why", "asked", "answered", show_lines=False)
    for item in items[:limit]:
        each = item.exchange
        cells = [_short(each.run), f"{item.value:g}", each.pack or "–", ", ".join(item.kinds)]
        table.add_row(*map(safe, cells), safe(_cut(each.text, 60)), safe(_cut(each.reply, 60)))
    more = f", {len(items) - limit} more with --limit {len(items)}" if len(items) > limit else ""
    rest = Text(f"{len(items)} wait{'s' if len(items) == 1 else ''}{more}. Show one: senmon inbox show ID")
    return Group(table, rest)


def _decisions(exchanges: list[Exchange]) -> RenderableType:
    if not exchanges:
        return Text("Nothing was decided yet.")
    table = Table("id", "decision", "pack", "asked", "by", "when", "taken by")
    for each in exchanges:
        review = each.review
        assert review is not None
        when = f"{review.created:%Y-%m-%d %H:%M}"
        cells = [_short(each.run), review.kind, review.pack or "–", _cut(each.text, 60)]
        cells += [review.reviewer, when, review.used_by or "–"]
        table.add_row(*map(safe, cells))
    return table


def _turn(turn: Turn, *, chosen: bool) -> RenderableType:
    from senmon.improvement.signals import signals_of

    each = turn.exchange
    mark = " ◀" if chosen else ""
    title = f"{_short(each.run)} · {each.created:%Y-%m-%d %H:%M} · {each.pack or 'no pack'}{mark}"
    table = Table(show_header=False, title=safe(title), title_justify="left", width=100)
    table.add_column(width=12, style="bold")
    table.add_column(overflow="fold")
    table.add_row("visitor", safe(each.text))
    if each.route:
        table.add_row("route", safe(_route(each)))
    if turn.articles:
        table.add_row("articles", safe(", ".join(turn.articles)))
    for message in turn.messages:
        for call in message.tool_calls:
            table.add_row(
                "calls", safe(f"{call.name} {jsonlib.dumps(dict(call.arguments), ensure_ascii=False)}")
            )
        if message.role == "tool" and message.tool_call_id:
            table.add_row("result", safe(_cut(message.content, 400)))
    table.add_row("reply", safe(each.reply) or "–")
    written = turn.messages[-1].content if turn.messages and turn.messages[-1].role == "assistant" else ""
    if written and written.strip() != each.reply.strip() and "[[" in written:
        table.add_row("as written", safe(written))
    for signal in signals_of(each):
        table.add_row(signal.kind, safe(signal.detail) or "–")
    if each.review is not None:
        told = dict(each.review.data)
        words = f"{each.review.kind} by {each.review.reviewer} {jsonlib.dumps(told, ensure_ascii=False)}"
        table.add_row("decided", safe(words))
    return table


def _route(each: Exchange) -> str:
    score, margin, intent = (each.route.get(name) for name in ("score", "margin", "intent"))
    parts = [f"intent {intent}" if intent else "", f"score {score}" if score is not None else ""]
    parts.append(f"margin {margin}" if margin is not None else "")
    return ", ".join(part for part in parts if part) or str(each.route.get("reason", "pinned"))


def _cut(text: str, most: int) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def _item_json(item: Item) -> dict[str, Any]:
    signals = [{"kind": one.kind, "worth": one.worth, "detail": one.detail} for one in item.signals]
    return {**_exchange_json(item.exchange), "value": item.value, "signals": signals}


def _exchange_json(each: Exchange) -> dict[str, Any]:
    from senmon.store.reviews import handle

    return {
        "id": handle(each.run)[:12],
        "run": each.run,
        "conversation": each.conversation,
        "created": each.created.isoformat(),
        "pack": each.pack,
        "text": each.text,
        "reply": each.reply,
    }


def _decision_json(each: Exchange) -> dict[str, Any]:
    return {**_exchange_json(each), "review": _review_json(each.review) if each.review else None}


def _review_json(review: Review) -> dict[str, Any]:
    data = {name: getattr(review, name) for name in ("run", "kind", "pack", "reviewer", "note", "used_by")}
    return {**data, "data": dict(review.data), "created": review.created.isoformat()}


def _turn_json(turn: Turn) -> dict[str, Any]:
    from senmon.improvement.signals import signals_of

    each = turn.exchange
    return {
        **_exchange_json(each),
        "route": dict(each.route),
        "articles": list(turn.articles),
        "messages": [message.to_json() for message in turn.messages],
        "signals": [{"kind": one.kind, "detail": one.detail} for one in signals_of(each)],
        "review": _review_json(each.review) if each.review else None,
    }
