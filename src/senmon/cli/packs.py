"""`senmon packs` and `senmon new`: what packs there are, and a new one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from senmon.cli import output, pack_keys
from senmon.cli.plain_text import plain
from senmon.errors import DataInvalid
from senmon.settings import Settings, variable

if TYPE_CHECKING:
    from senmon.packs.pack import Pack
    from senmon.workspace import Workspace

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="Name of the pack, or its folder.")]

app = typer.Typer(help="The packs there are, which of them may run their actions, and who vouches for them.")
pack_keys.register(app)


@app.callback(invoke_without_command=True)
def packs(context: typer.Context, json: Json = False) -> None:
    """List the packs: version, examples, released adapter, whether their actions may run."""
    if context.invoked_subcommand is None:
        _list(json)


@app.command("list")
def list_packs(json: Json = False) -> None:
    """List the packs: version, examples, released adapter, whether their actions may run."""
    _list(json)


@app.command()
def allow(
    name: Name,
    author: Annotated[
        str, typer.Option("--author", help="Whatever this trusted author signs, later versions too.")
    ] = "",
    json: Json = False,
) -> None:
    """Let the pack's actions run as they are now: its Python, and the addresses that it calls.

    A changed line of code asks again, and so does another address, header or variable. With `--author` the
    permission goes by their signature instead: a version that they signed later runs without asking, one that
    was changed, or put back, does not.
    """
    workspace = _workspace()
    pack = workspace.pack(name)
    workspace.permissions.allow(pack, author)
    state = workspace.permissions.state(pack)
    calls = _calls(pack)
    data: dict[str, Any] = {
        "pack": pack.name,
        "state": state,
        "code_digest": pack.code_digest,
        "calls": calls,
    }
    data["author"] = author or None
    words = Text(_allowed(pack, state, calls), no_wrap=True, overflow="ignore")
    output.emit(data, words, json=json)


def _allowed(pack: Pack, state: str, calls: list[dict[str, Any]]) -> str:
    if state == "no code":
        return f"{pack.name} has nothing to allow: neither Python nor addresses"
    lines = [f"{pack.name} may run its Python ({pack.code_digest[:12]})"] if pack.code_digest else []
    if calls:
        lines.append(f"{pack.name} may call:")
        lines += [f"  {call['method']} {call['url']}  ({call['action']})" for call in calls]
    for name in sorted({name for call in calls for name in call["variables"]}):
        known = "" if variable(name) else "; not set here: set it for the server"
        lines.append(f"  with the variable {name} of the environment{known}")
    return "\n".join(lines)


def _calls(pack: Pack) -> list[dict[str, Any]]:
    from senmon.packs.reach import destinations

    return [
        {"action": each.action, "method": each.method, "url": each.url, "variables": list(each.variables)}
        for each in destinations(pack)
    ]


def new(
    name: Annotated[str, typer.Argument(help="Name of the pack: lower-case letters, digits, - and _.")],
    into: Annotated[
        Path | None, typer.Option("--in", help="Folder to make it in; default: where packs are.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a pack of your own: complete, commented, ready to edit."""
    from senmon.packs.scaffold import scaffold

    folder = scaffold(name, into or Settings.load().packs[0])
    data = {"pack": name, "path": str(folder)}
    output.emit(data, Text(f"made {folder}; read its README.md, then: senmon check {name}"), json=json)


def _workspace() -> Workspace:
    from senmon.workspace import Workspace

    return Workspace.open()


def _list(json: bool) -> None:
    from senmon.packs.loader import discover

    workspace = _workspace()
    found = discover(workspace.settings.packs)
    rows = [_row(pack, workspace) for pack in found.packs]
    table = Table("pack", "version", "examples", "adapter", "actions")
    for row in rows:
        adapter = "released" if row["released_adapter"] else "—"
        actions = f"{row['code']} ({row['author']})" if row["author"] else row["code"]
        table.add_row(row["name"], row["version"], str(row["examples"] or "broken"), adapter, plain(actions))
    errors = [str(error) for error in found.errors]
    output.emit({"packs": rows, "errors": errors}, table, json=json)
    for error in () if json else errors:
        output.errors.print(error, markup=False, soft_wrap=True)


def _row(pack: Pack, workspace: Workspace) -> dict[str, Any]:
    from senmon.dataset.loading import load_dataset

    try:
        examples, problem = len(load_dataset(pack)), None
    except DataInvalid as error:
        examples, problem = 0, str(error)
    return {
        "name": pack.name,
        "version": pack.manifest.version,
        "title": pack.manifest.title,
        "path": str(pack.path),
        "examples": examples,
        "problem": problem,
        "released_adapter": (pack.released_adapter / "adapter_config.json").is_file(),
        "code": workspace.permissions.state(pack),
        "author": workspace.permissions.author(pack) or None,
    }
