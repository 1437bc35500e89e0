"""The options of `senmon base`, each explained once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

LENGTH, LEARNING, MACHINE = "How long", "How to learn", "Machine"

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Corpus = Annotated[
    list[Path], typer.Argument(help="JSONL or JSONL.xz files, or folders of them; a group per file stem.")
]
Out = Annotated[Path, typer.Option(help="Folder of the run: state, curve and, in `base/`, the result.")]
Valid = Annotated[
    Path | None, typer.Option(help="Held-out file: bits per byte of each group; left out of the training.")
]
Start = Annotated[
    str,
    typer.Option(help="Base whose tokenizer, template and weights to start from: embedded, folder, hub id."),
]
Fresh = Annotated[
    str | None,
    typer.Option(help="Start from random weights of this size: tiny, small (14 M), full (19 M, 38 MB)."),
]
Tokenizer = Annotated[
    Path | None, typer.Option(help="With --fresh: tokenizer.json or its folder; else that of --start.")
]
Weight = Annotated[
    list[str] | None,
    typer.Option(
        help="GROUP=SHARE or GROUP=SHARE:SHARE_IN_THE_LAST_THIRD; repeatable; unnamed groups get 0. Without "
        "any: by the square root of a source's tokens, and in the last third prose × 0.25, conversations "
        "× 1.5, those with tools × 3, maths × 2."
    ),
]
Tokens = Annotated[int, typer.Option(help="Tokens to train on, at most.", min=1, rich_help_panel=LENGTH)]
Minutes = Annotated[
    float | None,
    typer.Option(help="Minutes to train, at most; the schedule follows.", min=0.01, rich_help_panel=LENGTH),
]
PauseAfter = Annotated[
    float | None,
    typer.Option(
        help="Stop after so many minutes of this call, state and weights saved; the same command goes on.",
        rich_help_panel=LENGTH,
    ),
]
StopGroups = Annotated[
    int,
    typer.Option(
        help="Draw a group no more when its held-out bits per byte rose K evaluations in a row; 0: never.",
        min=0,
        rich_help_panel=LENGTH,
    ),
]
Schedule = Annotated[
    str,
    typer.Option(help="wsd (warm up, hold, fall to zero) or cosine.", rich_help_panel=LEARNING),
]
Context = Annotated[
    int, typer.Option(help="Longest line in tokens; longer documents are cut.", rich_help_panel=LEARNING)
]
BatchTokens = Annotated[
    int | None,
    typer.Option(help="Tokens of an optimiser step; default 8,192, GPU 65,536.", rich_help_panel=LEARNING),
]
MicroTokens = Annotated[
    int | None,
    typer.Option(
        help="Tokens at once, which bounds memory; default 4,096 at 16,384 entries, GPU 32,768.",
        rich_help_panel=LEARNING,
    ),
]
MuonRate = Annotated[
    float, typer.Option(help="Peak rate of Muon (the layers' matrices).", rich_help_panel=LEARNING)
]
AdamRate = Annotated[
    float, typer.Option(help="Peak rate of AdamW (embeddings, norms).", rich_help_panel=LEARNING)
]
Warmup = Annotated[float, typer.Option(help="Part of the run that warms up.", rich_help_panel=LEARNING)]
DecayFrom = Annotated[
    float, typer.Option(help="wsd: from which part on the rate falls.", rich_help_panel=LEARNING)
]
AnnealFrom = Annotated[
    float, typer.Option(help="From which part on the last weights hold.", rich_help_panel=LEARNING)
]
ContextWeight = Annotated[
    float,
    typer.Option(
        help="Weight in the loss of what replies answer: with 0.15 made-up conversations teach their "
        "replies, not their invented names.",
        min=0.0,
        max=1.0,
        rich_help_panel=LEARNING,
    ),
]
Clip = Annotated[float, typer.Option(help="Longest gradient (norm).", rich_help_panel=LEARNING)]
Evaluations = Annotated[int, typer.Option(help="Points of the curve.", min=1, rich_help_panel=LEARNING)]
ValidDocuments = Annotated[
    int, typer.Option(help="Held-out documents a group, at most.", min=1, rich_help_panel=LEARNING)
]
Seed = Annotated[int, typer.Option(help="Seed of order and initialisation.")]
Precision = Annotated[
    str,
    typer.Option(
        help="auto, fp32 or bf16; auto measures which the processor is faster in.", rich_help_panel=MACHINE
    ),
]
Compile = Annotated[
    bool | None,
    typer.Option(
        "--compile/--no-compile",
        help="torch.compile; default: on a GPU, and on a CPU from --minutes 30 if there is a C++ compiler.",
        rich_help_panel=MACHINE,
    ),
]
Pack = Annotated[
    bool | None,
    typer.Option(
        "--packed/--no-packed",
        help="Several documents a line, kept apart; default: on a GPU. Else lines of like length.",
        rich_help_panel=MACHINE,
    ),
]
CheckpointSeconds = Annotated[
    float, typer.Option(help="What a kill can cost.", min=0, rich_help_panel=MACHINE)
]
Shards = Annotated[
    Path | None,
    typer.Option(help="Folder for the corpus as tokens, to share between runs.", rich_help_panel=MACHINE),
]
Credit = Annotated[
    Path | None, typer.Option(help="Text with licences and attribution of the data, for the card.")
]
Probes = Annotated[int, typer.Option(help="Cases of each probe for the card; 0: none.", min=0, max=10_000)]
