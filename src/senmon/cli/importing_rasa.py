"""`senmon import rasa`: a Rasa bot's folder → a pack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from senmon.cli import output
from senmon.cli.importing_options import Credit, Dry, Json, Licence, PackName, Skip, Title, pack_folder

if TYPE_CHECKING:
    from senmon.dataset.rasa.importing import RasaReport
    from senmon.errors import Problem
    from senmon.packs.pack import Pack

SHOWN = 12
Bot = Annotated[
    Path, typer.Argument(help="Folder of the bot: domain.yml, data/, perhaps tests/ and actions/.")
]
Server = Annotated[
    str,
    typer.Option(
        "--action-server",
        metavar="URL",
        help="Webhook of the rasa-sdk action server that runs the bot's actions. Default: the bot's own "
        "Python when it stands alone, else the address in endpoints.yml.",
    ),
]
Negative = Annotated[
    str,
    typer.Option(
        "--negative", metavar="INTENTS", help="Further intents that the router must not send here: a,b,c."
    ),
]
Variants = Annotated[int, typer.Option("--variants", min=1, max=100, help="Dialogues made from each story.")]
Seed = Annotated[
    int, typer.Option("--seed", min=0, help="Seed of the draws; the same seed makes the same pack.")
]
Every = Annotated[bool, typer.Option("--all", help="List everything that was not carried over.")]


def import_rasa(
    source: Bot,
    pack: PackName,
    action_server: Server = "",
    negative: Negative = "",
    variants: Variants = 6,
    seed: Seed = 0,
    skip_broken: Skip = False,
    dry_run: Dry = False,
    title: Title = None,
    licence: Licence = None,
    attribution: Credit = None,
    every: Every = False,
    json: Json = False,
) -> None:
    """Make a pack from a Rasa bot: 1.x Markdown, 2.x and 3.x YAML.

    Intents become routes, stories and rules become dialogues, custom actions become declared actions, test
    stories become a suite. What can't be carried over is listed with its line, and stands in IMPORT.md.
    """
    from senmon.bases.catalog import load_tokenizer, resolve
    from senmon.dataset.rasa import importing
    from senmon.dataset.rasa.pack_plan import Choices
    from senmon.packs.scaffold import NewPack

    folder = pack_folder(pack)
    choices = Choices(variants, seed, tuple(filter(None, negative.replace(" ", "").split(","))))
    options = importing.RasaOptions(choices, action_server, skip_broken, dry_run)
    fresh = NewPack.of(folder.name, title=title, licence=licence, attribution=attribution)
    with output.errors.status(f"reading {source.name}"):
        tokenizer = load_tokenizer(resolve())
        report = importing.import_rasa(
            source,
            folder,
            options,
            fresh,
            verify=lambda pack: _problems(pack, tokenizer),
            count=lambda text: len(tokenizer.encode(text)),
        )
    output.emit(asdict(report), _table(report, SHOWN if not every else 10**6), json=json)


def _problems(pack: Pack, tokenizer: Any) -> list[Problem]:
    """What `senmon check` would refuse in the new pack, beyond its data."""
    from senmon.evaluation.suite import load_suites
    from senmon.rendering import Renderer, check_prefix

    load_suites(pack)
    return list(check_prefix(Renderer(tokenizer), pack))


def _table(report: RasaReport, shown: int) -> Table:
    table = Table(show_header=False)
    done = "would write" if report.dry_run else "wrote" if report.changed else "left as it was"
    table.add_row(done, escape(str(report.target)))
    table.add_row("bot", _counted(report.source))
    table.add_row("pack", _counted(report.pack))
    runs = {
        "none": "no action is declared",
        "in_process": "with the bot's Python, after `senmon packs allow`",
    }
    table.add_row(
        "actions run", runs.get(report.runtime, f"on the action server at {escape(report.runtime)}")
    )
    if report.refused:
        table.add_row("refused", f"{len(report.refused)} conversations")
        for problem in report.refused[:shown]:
            table.add_row("", escape(str(problem)))
    kinds = Counter(note.kind for note in report.notes)
    table.add_row("not carried over", _counted(kinds) or "nothing")
    told = 0
    for kind in kinds:
        for note in [note for note in report.notes if note.kind == kind][: _share(shown, len(kinds))]:
            table.add_row(kind, escape(str(note)))
            told += 1
    if told < len(report.notes):
        table.add_row("", f"and {len(report.notes) - told} more: --all lists them, IMPORT.md holds them")
    return table


def _share(shown: int, kinds: int) -> int:
    """Every kind of note is seen, some of each."""
    return max(2, shown // max(1, kinds))


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
