"""`senmon improve` and `senmon gaps`: from what people decided to a better adapter; what to collect next."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from senmon.settings import Settings

PackName = Annotated[str, typer.Argument(help="Name or folder of a pack.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output, one JSON object per line.")]

Sample = Annotated[
    int,
    typer.Option(
        min=0,
        max=64,
        help="Without people: sample so many replies where the checks refused one, learn what passes.",
    ),
]
Canary = Annotated[
    int,
    typer.Option(
        min=0,
        max=99,
        help="Serve it to so many of a hundred conversations until it was watched; 0: to all.",
    ),
]
Retire = Annotated[
    bool,
    typer.Option(
        "--retire", help="Take out lines of the pack that teach a reply which was corrected three times."
    ),
]
Prefer = Annotated[
    bool,
    typer.Option(
        "--prefer",
        help="Learn from the rejected replies too (DPO, after the tuning); needs senmon[preference].",
    ),
]
Watch = Annotated[
    bool,
    typer.Option(
        "--watch", help="Stay and watch the promoted adapter; roll back when people are served worse."
    ),
]


def improve(
    pack: PackName,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change in the pack; change nothing.")
    ] = False,
    watch: Watch = False,
    turns: Annotated[
        int, typer.Option(min=20, help="Watch so many turns of the new adapter, against as many before.")
    ] = 200,
    sample: Sample = 0,
    canary: Canary = 0,
    promote: Annotated[bool, typer.Option(help="Serve the adapter when it passes.")] = True,
    retire: Retire = False,
    prefer: Prefer = False,
    again: Annotated[
        bool, typer.Option("--again", help="Tune although nothing new was decided, after a change of recipe.")
    ] = False,
    hold_out: Annotated[
        int, typer.Option(min=0, max=90, help="Of a hundred conversations, so many measure and do not teach.")
    ] = 20,
    set: Annotated[
        list[str] | None,
        typer.Option("--set", help="A recipe field, such as recipe.lora.rank=32; repeatable."),
    ] = None,
    budget: Annotated[str | None, typer.Option(help="`auto`, `full`, or minutes such as `10m`.")] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Judge by every held-out example; takes as long as it takes.")
    ] = False,
    json: Json = False,
) -> None:
    """Learn from what was decided in the inbox: data, tuning, gate, regression suite, promotion.

    Decisions become lines of data/reviewed.jsonl and eval/regressions.jsonl of the pack: masked, judged by
    the pack's checks, without repetitions and without what the suites ask. Then an adapter is tuned with all
    the data, judged against the one that is served, and promoted when it is better; a running server takes
    it over by itself. Stopped half-way, the same command goes on. Exit 1 when the adapter is refused or
    rolled back.
    """
    from senmon.cli.improve_session import Wish, improved

    settings = [*(["recipe.preference.epochs=3"] if prefer else ()), *(set or ())]
    settings += [f"recipe.budget={budget}"] if budget else []
    chosen = (dry_run, watch, turns, promote, again, hold_out, full, json, retire, canary, sample)
    wish = Wish(pack, tuple(settings), *chosen)
    if not asyncio.run(improved(Settings.load(), wish)):
        raise typer.Exit(1)


def gaps(
    pack: PackName,
    days: Annotated[int | None, typer.Option(min=1, help="Only of the last so many days.")] = None,
    least: Annotated[int, typer.Option(min=1, help="Only groups of so many messages or more.")] = 1,
    limit: Annotated[int, typer.Option(min=1, help="At most so many groups, the largest first.")] = 20,
    draft: Annotated[
        bool,
        typer.Option(
            "--draft", help="Propose examples for `senmon review`; nothing is learnt of them before."
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What to collect next, from real traffic: messages that went badly, in groups that ask the same.

    For each group: how many, why they are here, what they ask, and what would help – more wordings of a known
    request, an article that should have been found, or something that the pack does not have yet.
    """
    from senmon.cli.improve_gaps import show_gaps

    show_gaps(Settings.load(), pack, days=days, least=least, limit=limit, draft=draft, json=json)
