"""`senmon doctor`: what this machine has, and what to do about what is missing."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from senmon.cli.output import console, emit
from senmon.settings import Settings

MARKS = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "fault": "[bold red]fault[/]"}


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
    settings: Annotated[bool, typer.Option("--settings", help="List every setting instead.")] = False,
) -> None:
    """Check torch, device, base, encoder, packs, adapters, state and port; exit 1 if something is broken."""
    if settings:
        emit(_settings_data(), _settings_table(), json=json)
        return
    from senmon.diagnosis import examine

    findings = examine(Settings.load())
    table = Table("what", "", "found", "what to do", title="senmon doctor")
    for finding in findings:
        table.add_row(finding.what, MARKS[finding.state], escape(finding.found), escape(finding.remedy))
    emit([finding.to_json() for finding in findings], table, json=json)
    if any(finding.state == "fault" for finding in findings):
        raise typer.Exit(1)
    if not json:
        console.print("Nothing is broken. `senmon up` starts everything.")


def _settings_data() -> list[dict[str, str]]:
    return [
        {
            "variable": f"SENMON_{name.upper()}",
            "default": _shown(field.default),
            "meaning": field.description or "",
        }
        for name, field in Settings.model_fields.items()
    ]


def _shown(value: object) -> str:
    """A default as one would write it in the environment."""
    if isinstance(value, tuple):
        return ",".join(str(part) for part in value)
    return "" if value is None else str(value)


def _settings_table() -> Table:
    table = Table("variable", "default", "meaning", title="Settings (environment, or the file senmon.env)")
    for row in _settings_data():
        table.add_row(row["variable"], row["default"], row["meaning"])
    return table
