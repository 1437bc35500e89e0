"""`senmon classes`: codes with which pupils sign in, and what they master."""

from __future__ import annotations

import csv
import io
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.table import Table
from rich.text import Text

from senmon.cli import output
from senmon.cli.plain_text import plain
from senmon.cli.state import home_of, with_store
from senmon.settings import Settings

if TYPE_CHECKING:
    from senmon.server.class_codes import ClassBook
    from senmon.store.store import Store

T = TypeVar("T")
app = typer.Typer(
    help="Class codes: pupils sign in with one and a nickname (docs/tutor.md). "
    "A running server takes every change at once.",
    no_args_is_help=True,
)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="Name of the class: small letters, digits and -, such as 7a.")]


@app.command()
def add(
    name: Name,
    days: Annotated[int, typer.Option(help="Days until it ends.", min=1, max=400)] = 180,
    json: Json = False,
) -> None:
    """Make a code for a class and print it: once, only its hash is kept. Earlier codes stay good."""
    code = _with_book(lambda book: book.add(name, days))
    words = f"The code of class {name}, good for {days} days: {code}"
    output.emit({"class": name, "code": code, "days": days}, Text(words), json=json)


@app.command("list")
def list_codes(json: Json = False) -> None:
    """The codes that are good or have ended lately: class, since when, until when."""
    codes = _with_book(lambda book: book.codes())
    found = [
        {"class": each.klass, "created": each.created.isoformat(), "expires": each.expires.isoformat()}
        for each in codes
    ]
    table = Table("class", "made", "ends")
    for each in found:
        table.add_row(each["class"], each["created"][:10], each["expires"][:10])
    output.emit(found, table if found else Text("No codes. Make one: senmon classes add 7a"), json=json)


@app.command()
def revoke(name: Name, json: Json = False) -> None:
    """End every code of a class. Pupils who are in stay until their token ends (2 hours at most)."""
    from senmon.server.class_codes import checked_name

    checked_name(name)
    count = _with_book(lambda book: book.revoke(name))
    words = f"{count} codes of class {name} ended." if count else f"Class {name} has no code that could end."
    output.emit({"class": name, "revoked": count}, Text(words), json=json)


@app.command()
def mastery(
    name: Name,
    csv_: Annotated[bool, typer.Option("--csv", help="Print CSV, for a spreadsheet.")] = False,
    json: Json = False,
) -> None:
    """What each pupil of a class masters, skill by skill, over all conversations that are kept."""
    from senmon.server.class_codes import checked_name
    from senmon.server.classes import class_mastery

    checked_name(name)
    found = with_store(Settings.load(), lambda store: class_mastery(store, name))
    columns = ("pupil", "skill", "mastery", "attempts", "right", "hints", "mistake")
    rows = [
        (each.pupil, one.skill, f"{one.mastery:.3f}", one.attempts, one.right, one.hints, one.mistake)
        for each in found.pupils
        for one in each.skills
    ]
    if csv_:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([columns, *rows])
        typer.echo(text.getvalue(), nl=False)
        return
    table = Table(*columns)
    for row in rows:
        table.add_row(*(plain(str(cell)) for cell in row))
    nobody = Text(f"No pupil of class {name} has tried a problem yet.")
    output.emit(found.model_dump(), table if rows else nobody, json=json)


def _with_book(work: Callable[[ClassBook], Awaitable[T]]) -> T:
    from senmon.server.class_codes import ClassBook
    from senmon.server.secret import load_secret

    settings = Settings.load()
    home = home_of(settings)

    async def worked(store: Store) -> T:
        book = ClassBook(store.class_codes, load_secret(home))
        await book.take_in(home)
        return await work(book)

    return with_store(settings, worked)
