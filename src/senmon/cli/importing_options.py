"""The options of `senmon import`, each explained once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from senmon.settings import Settings

Source = Annotated[Path, typer.Argument(help="File to import.")]
PackName = Annotated[str, typer.Option("--pack", help="Name of the pack, or its folder.")]
User = Annotated[str, typer.Option("--user", help="Column of the user's message.")]
Reply = Annotated[str, typer.Option("--assistant", help="Column of the reply.")]
Intent = Annotated[str | None, typer.Option("--intent", help="Column of the intent.")]
MaybeUser = Annotated[str, typer.Option("--user", help="Column of the user's message.")]
MaybeReply = Annotated[str, typer.Option("--assistant", help="Column of the reply.")]
Messages = Annotated[
    str, typer.Option("--messages", help="Column of whole conversations, in place of the two above.")
]
IntentField = Annotated[
    str | None, typer.Option("--intent", help="Field of the row that names its intent. Default: `intent`.")
]
Label = Annotated[str | None, typer.Option("--label", help="One intent for all rows.")]
Delimiter = Annotated[str | None, typer.Option("--delimiter", help="Default: found out. `tab` for a tab.")]
Encoding = Annotated[str, typer.Option("--encoding", help="Encoding of the file.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Read only the first rows.")]
Skip = Annotated[bool, typer.Option("--skip-broken", help="Leave broken rows out instead of stopping.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Read and report; write nothing.")]
Title = Annotated[str | None, typer.Option("--title", help="Title of a new pack.")]
Licence = Annotated[str | None, typer.Option("--licence", help="SPDX expression of a new pack's content.")]
Credit = Annotated[str | None, typer.Option("--attribution", help="Credits that the licence asks for.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def pack_folder(pack: str) -> Path:
    """Where the pack is, or is to be made."""
    named = "/" in pack or pack.startswith(".")
    roots = Settings.load().packs
    there = (root / pack for root in roots if (root / pack).is_dir())
    return Path(pack) if named else next(there, roots[0] / pack)
