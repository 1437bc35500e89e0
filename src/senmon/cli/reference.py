"""The command reference as Markdown, from the commands themselves: `python -m senmon.cli.reference`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from senmon.cli import main

_HEAD = "# Command reference\n\nGenerated from the commands by `make docs`. Every command has `--help`.\n"


def reference() -> str:
    """The whole page."""
    if not main.app.registered_commands:
        main.compose()
    root = typer.main.get_command(main.app)
    return _HEAD + "".join(_pages(root, ("senmon",)))


def _pages(command: Any, path: tuple[str, ...]) -> Iterator[str]:
    """A section per command; groups only introduce theirs."""
    children = getattr(command, "commands", {})
    if len(path) > 1 and (not children or getattr(command, "invoke_without_command", False)):
        yield _section(command, path)
    for name, child in sorted(children.items()):
        yield from _pages(child, (*path, name))


def _section(command: Any, path: tuple[str, ...]) -> str:
    parameters = [
        p for p in command.params if p.name not in ("help", "install_completion", "show_completion")
    ]
    arguments = [p for p in parameters if p.param_type_name == "argument"]
    options = [p for p in parameters if p.param_type_name == "option"]
    usage = " ".join(
        [*path, *(_usage(argument) for argument in arguments), *(["[OPTIONS]"] if options else [])]
    )
    text = f"\n## {' '.join(path)}\n\n```\n{usage}\n```\n\n{(command.help or '').strip()}\n"
    if parameters:
        text += "\n| parameter | meaning |\n|---|---|\n" + "".join(map(_row, [*arguments, *options]))
    return text


def _usage(argument: Any) -> str:
    name = (argument.name or "").upper()
    return name if argument.required else f"[{name}]"


def _row(parameter: Any) -> str:
    is_argument = parameter.param_type_name == "argument"
    names = (
        (parameter.name or "").upper()
        if is_argument
        else ", ".join([*parameter.opts, *parameter.secondary_opts])
    )
    return f"| `{names}` | {(parameter.help or '').strip().replace('|', chr(92) + '|')} |\n"


if __name__ == "__main__":
    print(reference(), end="")
