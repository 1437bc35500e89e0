"""`senmon up` and `senmon serve`: the chat endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from senmon.settings import Settings

Host = Annotated[str | None, typer.Option(help="Address to listen on; not loopback: API keys are demanded.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on.", min=0, max=65535)]
Json = Annotated[bool, typer.Option("--json", help="Write what happens as JSON lines.")]
Packs = Annotated[
    list[Path] | None, typer.Option("--packs", help="Folder that holds packs; may be repeated.")
]


def up(
    host: Host = None,
    port: Port = None,
    packs: Packs = None,
    json: Json = False,
    tune: Annotated[bool, typer.Option(help="Tune packs without an adapter in the background.")] = True,
) -> None:
    """Serve every pack, tune what is untuned in the background, and say what to try.

    Packs that ship with an adapter use it. Ctrl-C stops everything; an unfinished tuning goes on next time.
    """
    from senmon.cli.running import run_server

    settings = Settings.load(host=host, port=port, packs=tuple(packs) if packs else None, demo=True)
    run_server(settings, tune=tune, json=json)


def serve(
    host: Host = None,
    port: Port = None,
    packs: Packs = None,
    json: Json = False,
    workers: Annotated[
        int,
        typer.Option(help="Processes on this port, each also on its own: the next ones.", min=1, max=64),
    ] = 1,
    inherited: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Serve every pack as it is, without tuning and without the demo sign-in: for deployments.

    `--workers N` needs PostgreSQL and Redis. A process that dies is started again, and the others go on with
    its replies; each loads the base for itself. Figures are read from each one's own port.
    """
    from senmon.cli.running import run_server
    from senmon.cli.workers import inherited as sockets_of
    from senmon.cli.workers import run_workers

    settings = Settings.load(host=host, port=port, packs=tuple(packs) if packs else None)
    if workers > 1:
        run_workers(settings, workers, json=json)
    else:
        run_server(
            settings, tune=False, json=json, sockets=sockets_of(inherited, settings.host) if inherited else ()
        )
