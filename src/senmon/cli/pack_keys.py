"""`senmon packs keygen/sign/verify/trust/distrust/authors`: whose packs may run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from senmon.cli import output
from senmon.cli.plain_text import plain
from senmon.errors import ConfigError

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="Name of the pack, or its folder.")]
Author = Annotated[str, typer.Argument(help="What you call the author.")]
PUBLIC_BYTES = 1000


def keygen(
    file: Annotated[Path, typer.Argument(help="Where the private key goes; keep it as you keep passwords.")],
    passphrase: Annotated[bool, typer.Option("--passphrase", help="Ask for one, and lock the key.")] = False,
    json: Json = False,
) -> None:
    """Make a key to sign packs with. The public one, one line, is for those who run your packs.

    For a new key in place of an old one: give them the new line before you sign with it. They run `senmon
    packs trust` with it, and `senmon packs distrust --key` with the old one once nothing needs it.
    """
    from senmon.packs.signature import new_key

    locked = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True) if passphrase else ""
    public = new_key(file, locked)
    with file.with_name(file.name + ".pub").open("w", encoding="ascii") as made:
        made.write(public + "\n")
    data = {"private": str(file), "public": public, "public_file": f"{file}.pub"}
    output.emit(data, Text(f"made {file} (keep it) and {file}.pub (give it away):\n{public}"), json=json)


def sign(
    name: Name,
    key: Annotated[Path, typer.Option("--key", help="Your private key, of `senmon packs keygen`.")],
    json: Json = False,
) -> None:
    """Vouch for every file of a pack as it is now, its released adapter included: writes signature.json.

    Sign last, after `senmon check` and `senmon release`. A later signature takes the place of an earlier one:
    who runs the pack by your name will not take the earlier version again.
    """
    from senmon.packs.signature import is_locked, read_key
    from senmon.packs.signature import sign as signed

    passphrase = typer.prompt("Passphrase", hide_input=True) if is_locked(key) else ""
    pack = _workspace().pack(name)
    made = signed(pack, read_key(key, passphrase))
    words = f"signed {pack.label} ({made.statement.digest[:12]}) with {made.key}"
    output.emit({"pack": pack.name, **made.model_dump()}, _long(words), json=json)


def verify(name: Name, json: Json = False) -> None:
    """Who vouches for a pack, and does it hold? Exit 1 when nobody does whom you trust."""
    from senmon.packs.signature import read_signature

    workspace = _workspace()
    pack = workspace.pack(name)
    authors = workspace.permissions.authors
    found, signer = read_signature(pack), authors.signer(pack)
    fault = authors.fault(pack, signer, adapter=True) if signer else _stranger(pack, found)
    data: dict[str, Any] = {"pack": pack.name, "author": signer or None, "holds": not fault, "fault": fault}
    if found is not None:
        when = datetime.fromtimestamp(found.statement.signed, UTC)
        data |= {"key": found.key, "signed": when.isoformat(), "version": found.statement.version}
    words = f"{pack.label}: {fault}" if fault else f"{pack.label} is signed by {signer}, {data['signed']}"
    output.emit(data, _long(plain(words)), json=json)
    if fault:
        raise typer.Exit(1)


def _stranger(pack: Any, found: Any) -> str:
    """What is said of a signature whose key nobody trusts."""
    from senmon.packs.signature import fault_of

    if found is None:
        return "it is not signed"
    broken = fault_of(pack, found, adapter=True)
    return (
        broken or f"it is signed with a key that you do not trust, {found.key}; senmon packs trust NAME KEY"
    )


def trust(
    author: Author,
    key: Annotated[str, typer.Argument(help="Their public key: the line itself, or a file with it.")],
    json: Json = False,
) -> None:
    """Know an author's key. Nothing runs by that alone: `senmon packs allow PACK --author NAME` does that.

    Get the key from them, not from where the pack came from. A second key of the same author may follow: then
    both count.
    """
    authors = _workspace().permissions.authors
    authors.trust(author, _key_text(key))
    _show(authors.keys(), json)


def distrust(
    author: Author,
    key: Annotated[str, typer.Option("--key", help="Only this public key, or a file with it.")] = "",
    json: Json = False,
) -> None:
    """Forget an author, or one of their keys: what it signed may not run any more, from the next call on."""
    authors = _workspace().permissions.authors
    authors.distrust(author, _key_text(key) if key else "")
    _show(authors.keys(), json)


def authors(json: Json = False) -> None:
    """Whose keys are known here."""
    _show(_workspace().permissions.authors.keys(), json)


def _show(keys: Any, json: bool) -> None:
    table = Table("author", "public key")
    for name in sorted(keys):
        for each in keys[name]:
            table.add_row(plain(name), Text(each, no_wrap=True, overflow="ignore"))
    output.emit({"authors": {name: list(each) for name, each in keys.items()}}, table, json=json)


def _key_text(given: str) -> str:
    """The line, or what the file holds."""
    if given.startswith("ed25519:"):
        return given
    try:
        with Path(given).open(encoding="utf-8") as file:
            return file.read(PUBLIC_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{given} is neither a public key nor a file with one", remedy="ed25519:…"
        ) from error


def _long(words: str) -> Text:
    """A key is one line, to be copied."""
    return Text(words, no_wrap=True, overflow="ignore")


def _workspace() -> Any:
    from senmon.workspace import Workspace

    return Workspace.open()


def register(app: typer.Typer) -> None:
    """Adds the commands to `senmon packs`."""
    for command in (keygen, sign, verify, trust, distrust, authors):
        app.command()(command)
