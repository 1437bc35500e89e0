"""Running the server in the foreground, with the background tuner beside it."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from rich.markup import escape
from rich.panel import Panel

from senmon.adapters import stale
from senmon.assistant import ServedPack
from senmon.cli.output import console, emit_line, errors
from senmon.cli.starting import starting
from senmon.errors import SenmonError
from senmon.server.app import create_app
from senmon.server.logging import configure_logging
from senmon.server.serve import Server, bind, make_server
from senmon.settings import Settings
from senmon.tuner import BackgroundTuner
from senmon.tuning.recipe import recipe_digest
from senmon.workspace import Workspace

Report = Callable[[dict[str, object]], None]
FOLLOW_SECONDS = 5.0


def run_server(settings: Settings, *, tune: bool, json: bool, sockets: Sequence[socket.socket] = ()) -> None:
    """Serve until Ctrl-C. The port is taken first, so that a second start fails at once; `sockets` are taken
    already."""
    began = time.monotonic()
    listeners = list(sockets) or [bind(settings.host, settings.port)]
    port = int(listeners[0].getsockname()[1])
    configure_logging(settings.log_level if json or "log_level" in settings.model_fields_set else "WARNING")
    workspace = Workspace.open(settings)
    app = create_app(workspace)
    server = make_server(app)
    address = f"http://{_name(settings.host)}:{port}"
    try:
        with starting(workspace, quiet=json) as ready:
            asyncio.run(_serve(_Start(server, workspace, address, began, tune, json, ready), listeners))
    except KeyboardInterrupt:
        pass
    finally:
        for listener in listeners:
            listener.close()
    failure = getattr(app.state, "failure", None)
    if failure is not None:
        raise failure
    if not json:
        console.print("Stopped.", style="dim")


def _name(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@dataclass(frozen=True, slots=True)
class _Start:
    """A server that is about to answer. `ready` is called when it does; `began` is monotonic seconds."""

    server: Server
    workspace: Workspace
    address: str
    began: float
    tune: bool
    json: bool
    ready: Callable[[], None]


async def _serve(start: _Start, listeners: list[socket.socket]) -> None:
    beside = asyncio.create_task(_beside(start))
    try:
        await start.server.serve(sockets=listeners)
    finally:
        beside.cancel()
        with suppress(asyncio.CancelledError):
            await beside


async def _beside(start: _Start) -> None:
    """Announce the server once it answers; then tune what is untuned."""
    workspace, json = start.workspace, start.json
    while not start.server.started:
        await asyncio.sleep(0.05)
    start.ready()
    console_link = await _console_link(workspace, start.address)
    _announce(workspace, start.address, time.monotonic() - start.began, json, console_link)
    report = _reporter(json)
    untuned = await asyncio.to_thread(_untuned, workspace, report) if start.tune else []
    if not untuned:
        return
    tuner = BackgroundTuner(workspace.settings, workspace.home, report)
    follow = asyncio.create_task(_follow(workspace, json))
    try:
        await tuner.run(untuned)
    finally:
        follow.cancel()
        await tuner.stop()


def _untuned(workspace: Workspace, report: Callable[[str, str], None]) -> list[str]:
    """The packs to tune. One whose adapter was judged and is not served would only be tuned to the same."""
    names = []
    for name, served in workspace.catalog.packs.items():
        if served.adapter is not None:
            continue
        if _judged(workspace, served):
            report(name, "set_aside")
        else:
            names.append(name)
    return names


def _judged(workspace: Workspace, served: ServedPack) -> bool:
    """Whether there is a verdict on an adapter of exactly this pack and base."""
    digests = (served.dataset_digest, served.prefix_digest, recipe_digest(served.pack.manifest.recipe))
    base = workspace.base.digest
    return any(
        adapter.card.base_digest == base
        and not stale(adapter, *digests)
        and workspace.adapters.verdicts(adapter)
        for adapter in workspace.adapters.list(served.pack.name)
    )


async def _console_link(workspace: Workspace, address: str) -> str:
    """The console; until it has its first owner, on this machine alone, the link that makes one."""
    if await workspace.store.staff.any() or not workspace.settings.loopback:
        return f"{address}/console"
    return f"{address}/console/setup/{await workspace.store.staff.make_link(None)}"


def _announce(workspace: Workspace, address: str, seconds: float, json: bool, console_link: str) -> None:
    packs = {name: served.status for name, served in workspace.catalog.packs.items()}
    if json:
        problems = list(workspace.catalog.problems)
        emit_line(
            {
                "event": "ready",
                "address": address,
                "seconds": round(seconds, 1),
                "packs": packs,
                "problems": problems,
                "console": console_link,
            }
        )
        return
    lines = [f"[bold]{address}[/]  ready in {seconds:.1f} s", ""]
    for name, served in workspace.catalog.packs.items():
        state = (
            f"adapter {served.adapter.version[:12]}"
            if served.adapter
            else "untuned: answers come from the bare base"
        )
        lines.append(f"[bold green]{name}[/] · {escape(served.pack.manifest.title)} · {state}")
        lines.extend(f"   try: {escape(text)}" for text in served.texts.suggestions[:3])
    first = "/setup/" in console_link
    lines += ["", f"curl {address}/v1/models   ·   Ctrl-C stops"]
    console.print(Panel("\n".join(lines), title="senmon", border_style="green"))
    # Outside the frame and in one piece: it is to be copied.
    told = "console, for its first owner (good once)" if first else "console"
    console.print(f"{told}: {console_link}", soft_wrap=True)
    for problem in workspace.catalog.problems:
        errors.print(f"[yellow]left out:[/] {escape(problem)}", soft_wrap=True)


def _reporter(json: bool) -> Callable[[str, str], None]:
    words = {
        "tuning": "is tuned in the background; it is served untuned meanwhile",
        "tuned": "is tuned, passed the gate and is served with its adapter",
        "set_aside": "has an adapter that failed the gate or was taken back; it is served untuned, "
        "until data or recipe change or `senmon tune` is asked for",
        "failed": "could not be tuned or did not pass: see `senmon adapters list` and runs/background.log",
    }

    def report(pack: str, state: str) -> None:
        if json:
            emit_line({"event": state, "pack": pack})
        else:
            console.print(f"[bold]{pack}[/] {words[state]}")

    return report


async def _follow(workspace: Workspace, json: bool) -> None:
    """One line per change of progress, so that the terminal stays readable."""
    shown: dict[str, str] = {}
    while True:
        await asyncio.sleep(FOLLOW_SECONDS)
        try:
            runs = await asyncio.to_thread(workspace.runs)
        except (SenmonError, OSError):
            continue
        for run in runs:
            text = f"{run['phase']} {run['step']}/{run['steps']}"
            if run["finished"] or shown.get(run["pack"]) == text:
                continue
            shown[run["pack"]] = text
            if json:
                emit_line({"event": "progress", **run})
            else:
                console.print(f"[dim]{run['pack']}: {text}{_figures(run)}[/]")


def _figures(run: Mapping[str, Any]) -> str:
    loss = f"  loss {run['loss']:.3f}" if run["loss"] is not None else ""
    speed = f"  {run['tokens_per_second']:,.0f} tok/s" if run["tokens_per_second"] else ""
    eta = f"  {run['eta_seconds'] / 60:.1f} min left" if run["eta_seconds"] else ""
    return loss + speed + eta
