"""`senmon sites`: the web sites that embed the chat widget."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from senmon.cli import output
from senmon.cli.state import home_of, with_store
from senmon.errors import ConfigError
from senmon.settings import Settings

if TYPE_CHECKING:
    from senmon.server.registering import Registered
    from senmon.store.records import Site

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="Name of the site: small letters, digits and -.")]
Origins = Annotated[
    list[str] | None,
    typer.Option(
        "--origin", help="Where its pages are, like https://shop.example; exact, and may be repeated."
    ),
]
Packs = Annotated[
    list[str] | None, typer.Option("--pack", help="A pack that answers there; may be repeated. Default: all.")
]
Title = Annotated[str | None, typer.Option(help="The name that visitors see. Default: the site's name.")]
Identity = Annotated[
    bool | None,
    typer.Option(
        "--require-identity/--anyone",
        help="Answer only customers whom the site has signed in, with a token by its secret.",
    ),
]
Prechat = Annotated[
    Path | None, typer.Option(help="JSON Schema of what to ask before a conversation (docs/sites.md).")
]
Csat = Annotated[bool | None, typer.Option("--csat/--no-csat", help="Ask for a rating at the end.")]
Email = Annotated[str | None, typer.Option(help="Where else visitors may turn to.")]
Phone = Annotated[str | None, typer.Option(help="Where else visitors may turn to.")]
Language = Annotated[str | None, typer.Option(help="Of the widget: en, ja, pt-BR. Default: en.")]
Url = Annotated[
    str | None, typer.Option(help="Where visitors reach this server; default: its address from the settings.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

app = typer.Typer(
    help="The web sites that embed the chat widget: keys, secrets, origins. "
    "A running server takes every change within a second."
)


@app.callback(invoke_without_command=True)
def sites(context: typer.Context, json: Json = False) -> None:
    """List the sites: key, origins, packs, and whether they answer signed-in customers only."""
    if context.invoked_subcommand is None:
        _list(json)


@app.command("list")
def list_sites(json: Json = False) -> None:
    """List the sites: key, origins, packs, and whether they answer signed-in customers only."""
    _list(json)


@app.command()
def add(
    name: Name,
    origin: Origins = None,
    pack: Packs = None,
    title: Title = None,
    require_identity: Identity = None,
    prechat: Prechat = None,
    csat: Csat = None,
    email: Email = None,
    phone: Phone = None,
    language: Language = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Add a site; prints the line to embed, and the secret for its back end: once.

    The key in the line is public. The secret signs customers in; it belongs on the site's server only.
    """
    from senmon.server.registering import new_site

    settings = Settings.load()
    wishes = _wishes(settings, origin, pack, title, require_identity, prechat, csat, email, phone, language)
    made = new_site(_master(settings), name, **wishes)
    with_store(settings, lambda store: store.sites.add(made.site))
    _tell(made, _address(settings, url), json=json)


@app.command()
def change(
    name: Name,
    origin: Origins = None,
    pack: Packs = None,
    all_packs: Annotated[bool, typer.Option("--all-packs", help="Every pack answers again.")] = False,
    title: Title = None,
    require_identity: Identity = None,
    prechat: Prechat = None,
    no_prechat: Annotated[bool, typer.Option("--no-prechat", help="Ask for nothing any more.")] = False,
    csat: Csat = None,
    email: Email = None,
    phone: Phone = None,
    language: Language = None,
    json: Json = False,
) -> None:
    """Change what is named and leave the rest. Origins and packs replace the ones before."""
    from senmon.server.registering import check_wishes

    settings = Settings.load()
    given = _wishes(settings, origin, pack, title, require_identity, prechat, csat, email, phone, language)
    values: dict[str, Any] = check_wishes(**given)
    if all_packs:
        values["packs"] = None
    if no_prechat:
        values["prechat"] = None
    if not values:
        raise ConfigError("nothing to change was named", remedy="senmon sites change NAME --origin …")
    changed = with_store(settings, lambda store: store.sites.change(name, **values))
    output.emit(_data(changed), _table([changed], _master(settings)), json=json)


@app.command()
def rotate(
    name: Name,
    overlap: Annotated[
        float, typer.Option(help="Hours that the old secret still counts; 0 if it leaked.", min=0, max=720)
    ] = 24,
    url: Url = None,
    json: Json = False,
) -> None:
    """Give a site a new secret; prints it once. The key, and with it the line to embed, stays."""
    from senmon.server.registering import rotate as rotated

    settings = Settings.load()
    master, hours = _master(settings), timedelta(hours=overlap)
    made = with_store(settings, lambda store: rotated(store.sites, master, name, hours))
    _tell(made, _address(settings, url), json=json)


@app.command()
def key(
    name: Name,
    title: Annotated[str, typer.Option(help="What the key is for.")] = "desk",
    json: Json = False,
) -> None:
    """Make an API key for the people who answer a site's visitors; prints it once.

    With it a desk lists this site's handovers, joins and answers. From the first key on, the whole API
    wants one, on this machine too.
    """
    settings = Settings.load()

    async def make(store: Any) -> tuple[str, Any]:
        site = await store.sites.get(name)
        given: tuple[str, Any] = await store.add_key(title, site=site.id)
        return given

    secret, record = with_store(settings, make)
    text = Text(f"{secret}\n\nShown this once. Send it as Authorization: Bearer …", no_wrap=True)
    output.emit({"site": name, "id": record.id, "name": record.name, "key": secret}, text, json=json)


@app.command()
def remove(
    name: Name,
    erase: Annotated[bool, typer.Option("--erase", help="Delete all its conversations too.")] = False,
    yes: Yes = False,
) -> None:
    """Take a site out: its key is worth nothing any more. Its conversations stay, without --erase."""
    settings = Settings.load()
    with_store(settings, lambda store: store.sites.get(name))
    if not yes:
        what = "and all its conversations" if erase else "(its conversations stay)"
        typer.confirm(f"Remove the site {name} {what}?", abort=True)

    async def work(store: Any) -> int:
        await store.sites.remove(name)
        return int(await store.people.erase_site(name)) if erase else 0

    erased = with_store(settings, work)
    output.console.print(f"removed {name}" + (f", erased {erased} conversations" if erase else ""))


def _wishes(
    settings: Settings,
    origins: list[str] | None,
    packs: list[str] | None,
    title: str | None,
    require_identity: bool | None,
    prechat: Path | None,
    csat: bool | None,
    email: str | None,
    phone: str | None,
    language: str | None,
) -> dict[str, Any]:
    """As `check_wishes` takes them; the packs are looked up first."""
    if packs:
        from senmon.workspace import Workspace

        workspace = Workspace.open(settings)
        packs = [workspace.pack(pack).name for pack in packs]
    return {
        "title": title,
        "origins": origins,
        "packs": packs,
        "require_identity": require_identity,
        "prechat": prechat,
        "csat": csat,
        "email": email,
        "phone": phone,
        "language": language,
    }


def _master(settings: Settings) -> bytes:
    from senmon.server.secret import load_secret

    return load_secret(home_of(settings))


def _address(settings: Settings, url: str | None) -> str:
    from senmon.server.origins import exact_origin

    if url is not None:
        return exact_origin(url.rstrip("/"), "--url")
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def _tell(made: Registered, address: str, *, json: bool) -> None:
    source = f"{address}/widget/v1/senmon-chat.js"
    line = f'<script type="module" src="{source}" data-site-key="{made.site.public_key}"></script>'
    if json:
        output.emit({**_data(made.site), "embed": line, "secret": made.secret}, json=True)
        return
    text = (
        f"Put this line into every page of {', '.join(made.site.origins)}:\n\n{line}\n\n"
        f"Secret, shown this once, for the site's back end (it signs customers in):\n\n{made.secret}\n"
    )
    output.console.print(Text(text), soft_wrap=True)


def _list(json: bool) -> None:
    settings = Settings.load()
    found = with_store(settings, lambda store: store.sites.all())
    if not found and not json:
        output.console.print("No site embeds the widget yet: senmon sites add NAME --origin https://…")
        return
    output.emit([_data(site) for site in found], _table(list(found), _master(settings)), json=json)


def _data(site: Site) -> dict[str, Any]:
    return {
        "name": site.id,
        "title": site.name,
        "key": site.public_key,
        "origins": list(site.origins),
        "packs": None if site.packs is None else list(site.packs),
        "require_identity": site.require_identity,
        "prechat": site.prechat,
        "csat": site.csat,
        "contact": site.contact,
        "language": site.language,
        "created": site.created.isoformat(timespec="seconds"),
    }


def _table(found: list[Site], master: bytes) -> Table:
    from senmon.server.registering import is_current

    table = Table("site", "key and origins", "answers", "secret")
    table.columns[1].overflow = "fold"
    for site in found:
        asks = f"\nasks {', '.join(site.prechat['properties'])}" if site.prechat else ""
        whom = "signed-in customers" if site.require_identity else "anyone"
        table.add_row(
            Text(f"{site.id}\n{site.name}" if site.name != site.id else site.id),
            Text("\n".join([str(site.public_key), *site.origins])),
            Text(f"{', '.join(site.packs) if site.packs else 'all packs'}\n{whom}{asks}"),
            "good" if is_current(site, master) else Text("lost: senmon sites rotate", style="red"),
        )
    return table
