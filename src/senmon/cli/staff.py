"""`senmon staff`: who works in the console."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer
from rich.table import Table
from rich.text import Text

from senmon.cli import output
from senmon.cli.plain_text import safe
from senmon.cli.state import with_store
from senmon.errors import ConfigError
from senmon.settings import Settings

if TYPE_CHECKING:
    from senmon.store.staff import Role, Staff
    from senmon.store.store import Store

app = typer.Typer(
    help="People who work in the console at /console (docs/console.md): owners do everything, reviewers "
    "review turns, agents answer visitors, teachers see what pupils master."
)
Name = Annotated[str, typer.Argument(help="The name that they sign in with.")]
RoleOption = Annotated[str, typer.Option(help="owner, reviewer, agent or teacher.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Password = Annotated[
    bool, typer.Option("--password", help="Ask for a password here, instead of printing a link.")
]


@app.callback(invoke_without_command=True)
def list_staff(context: typer.Context, json: Json = False) -> None:
    """List the accounts."""
    if context.invoked_subcommand is not None:
        return
    found = with_store(Settings.load(), lambda store: store.staff.all())
    if not found and not json:
        output.console.print("Nobody yet: senmon staff add NAME --role owner")
        return
    output.emit([_data(one) for one in found], _table(found), json=json)


@app.command()
def add(
    name: Name,
    role: RoleOption = "agent",
    display: Annotated[
        str | None, typer.Option(help="The name that visitors see. Default: the name itself.")
    ] = None,
    password: Password = False,
    json: Json = False,
) -> None:
    """Let somebody in. Prints a link with which they choose a password: good once, for a day."""
    from senmon.server.console.naming import account_name, shown_name

    account, chosen = account_name(name), _role(role)
    shown = shown_name(display or account)
    secret = _asked(account, shown) if password else None

    async def work(store: Store) -> tuple[Staff, str]:
        made = await store.staff.add(account, shown, chosen, secret)
        await _audit(store, "let somebody in", made.name, role=role)
        return made, "" if secret else await store.staff.make_link(made.id)

    made, token = with_store(Settings.load(), work)
    _tell(made, token, json=json)


@app.command()
def role(name: Name, role: RoleOption, json: Json = False) -> None:
    """Give somebody another role. It counts at once."""
    chosen = _role(role)
    _change(name, "changed a role", json, role=chosen)


@app.command()
def disable(name: Name, json: Json = False) -> None:
    """Keep somebody out: signed out everywhere at once. What they did stays in the audit log."""
    from senmon.store.rows import now

    _change(name, "disabled an account", json, disabled=now())


@app.command()
def enable(name: Name, json: Json = False) -> None:
    """Let somebody in again who was disabled."""
    _change(name, "enabled an account", json, disabled=None)


@app.command()
def reset(name: Name, password: Password = False, json: Json = False) -> None:
    """A new password: prints a link to choose one. Their sessions end when it is chosen."""

    async def find(store: Store) -> Staff:
        return await store.staff.get(name)

    found = with_store(Settings.load(), find)
    secret = _asked(found.name, found.display) if password else None

    async def work(store: Store) -> str:
        await _audit(store, "reset a password", found.name)
        if secret is None:
            return await store.staff.make_link(found.id)
        await store.staff.change(found.name, password=secret)
        return ""

    token = with_store(Settings.load(), work)
    _tell(found, token, json=json)


def _change(name: str, what: str, json: bool, **values: Any) -> None:
    async def work(store: Store) -> Staff:
        changed = await store.staff.change(name, **values)
        await _audit(store, what, changed.name, **({"role": changed.role} if "role" in values else {}))
        return changed

    changed = with_store(Settings.load(), work)
    output.emit(_data(changed), _table((changed,)), json=json)


async def _audit(store: Store, what: str, subject: str, **data: Any) -> None:
    await store.audit.record(getpass.getuser(), "command", what, subject, data)


def _role(text: str) -> Role:
    from senmon.store.staff import Role

    if text not in get_args(Role):
        raise ConfigError(f"there is no role {text!r}", remedy=f"one of {', '.join(get_args(Role))}")
    return cast("Role", text)


def _asked(*names: str) -> str:
    """The hash of a password that is typed twice."""
    from senmon.server.console.passwords import hashed

    return hashed(typer.prompt("Password", hide_input=True, confirmation_prompt=True), *names)


def _tell(made: Staff, token: str, *, json: bool) -> None:
    link = f"{_address()}/console/setup/{token}" if token else None
    words = f"{made.name} is {made.role}."
    if link:
        words += f" Give them this link, good once, for a day:\n\n{link}\n"
    if json:
        output.emit({**_data(made), "link": link}, json=True)
    else:
        output.console.print(Text(words), soft_wrap=True)


def _address() -> str:
    settings = Settings.load()
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def _data(one: Staff) -> dict[str, Any]:
    return {
        "name": one.name,
        "display": one.display,
        "role": one.role,
        "state": _state(one),
        "created": one.created.isoformat(timespec="seconds"),
    }


def _state(one: Staff) -> str:
    if one.disabled:
        return "disabled"
    return "active" if one.password else "no password yet"


def _table(found: tuple[Staff, ...]) -> Table:
    table = Table("name", "seen as", "role", "state", "since")
    for one in found:
        table.add_row(safe(one.name), safe(one.display), one.role, _state(one), f"{one.created:%Y-%m-%d}")
    return table
