"""`senmon base`: look at the base model, pretrain one, adapt one to documents, compare several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from senmon.cli import base_options as option
from senmon.cli.output import emit
from senmon.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Look at the base model, pretrain, adapt or compare bases.")


@app.command()
def show(json: option.Json = False) -> None:
    """Which base everything runs on: its folder, digest, size and configuration."""
    from senmon.cli.base_session import describe
    from senmon.workspace import Workspace

    data = describe(Workspace.open(Settings.load()).base)
    table = Table("base", str(data["name"]))
    for name, value in data.items():
        table.add_row(name, str(value))
    emit(data, table, json=json)


@app.command()
def pretrain(
    corpus: option.Corpus,
    out: option.Out,
    valid: option.Valid = None,
    start: option.Start = "embedded",
    fresh: option.Fresh = None,
    tokenizer: option.Tokenizer = None,
    weight: option.Weight = None,
    tokens: option.Tokens = 10_000_000,
    minutes: option.Minutes = None,
    pause_after: option.PauseAfter = None,
    stop_groups: option.StopGroups = 0,
    schedule: option.Schedule = "wsd",
    context: option.Context = 1024,
    batch_tokens: option.BatchTokens = None,
    micro_tokens: option.MicroTokens = None,
    muon_rate: option.MuonRate = 0.01,
    adam_rate: option.AdamRate = 2e-3,
    warmup: option.Warmup = 0.02,
    decay_from: option.DecayFrom = 0.6,
    anneal_from: option.AnnealFrom = 2 / 3,
    context_weight: option.ContextWeight = 1.0,
    clip: option.Clip = 1.0,
    evaluations: option.Evaluations = 10,
    valid_documents: option.ValidDocuments = 40,
    precision: option.Precision = "auto",
    compile: option.Compile = None,
    packed: option.Pack = None,
    checkpoint_seconds: option.CheckpointSeconds = 300.0,
    shards: option.Shards = None,
    credit: option.Credit = None,
    probes: option.Probes = 100,
    seed: option.Seed = 0,
    json: option.Json = False,
) -> None:
    """Pretrain a base on a corpus; called again it goes on where it stopped, after a kill too.

    Lines are `{"text": …}` or `{"messages": [...]}`, the latter rendered with the product's own template.
    The result, with its card, is in `OUT/base`; the curve in `OUT/curve.png` and `OUT/curve.json`.
    """
    from senmon.cli.base_session import Pretraining
    from senmon.pretraining.plan import Plan

    plan = Plan(
        tokens=tokens, minutes=minutes, context=context, batch_tokens=batch_tokens,
        micro_tokens=micro_tokens, muon_rate=muon_rate, adam_rate=adam_rate, schedule=schedule,  # type: ignore[arg-type]
        warmup=warmup, decay_from=decay_from, anneal_from=anneal_from, clip=clip, seed=seed,
        evaluations=evaluations, valid_documents=valid_documents, stop_after=stop_groups,
        precision=precision, compile=compile, packed=packed, checkpoint_seconds=checkpoint_seconds,
        context_weight=context_weight,
    )  # fmt: skip
    Pretraining(
        Settings.load(), plan, out=out, valid=valid, pause_after=pause_after, credit=credit, probes=probes,
        json=json,
    ).run(corpus, start, fresh, tokenizer, weight or [], shards)  # fmt: skip


@app.command()
def adapt(
    base: Annotated[str, typer.Argument(help="What to adapt: embedded, a folder or a hub id.")],
    documents: Annotated[
        list[Path] | None,
        typer.Argument(help="Markdown, HTML, text or JSONL files, or folders of them (searched through)."),
    ] = None,
    out: option.Out = ...,  # type: ignore[assignment]  # required, behind an optional argument
    pack: Annotated[
        list[str] | None, typer.Option(help="Take the knowledge articles of this pack; repeatable.")
    ] = None,
    replay: Annotated[
        list[Path] | None, typer.Option(help="Corpus files to keep alive what was known; repeatable.")
    ] = None,
    replay_share: Annotated[float, typer.Option(help="Their share of the tokens.")] = 0.2,
    valid: Annotated[Path | None, typer.Option(help="Held-out corpus file: shows what is forgotten.")] = None,
    epochs: Annotated[float, typer.Option(help="Passes over the documents.")] = 3.0,
    rate: Annotated[
        float | None, typer.Option(help="Peak rate; default 5e-4, from 100 M parameters on 2e-5.")
    ] = None,
    minutes: option.Minutes = None,
    context: option.Context = 512,
    precision: option.Precision = "auto",
    credit: option.Credit = None,
    seed: option.Seed = 0,
    json: option.Json = False,
) -> None:
    """Continue the pretraining of a base on raw documents: a low rate, some replay, a tenth held out.

    The result in `OUT/base` is a base like any other: `SENMON_BASE=OUT/base`. Adapters belong to the base
    they were tuned on, so tune the packs again.
    """
    from senmon.cli.base_session import adapt_base
    from senmon.pretraining.adapting import Adaptation

    how = Adaptation(epochs, replay_share, rate, minutes, context, seed, precision)
    adapt_base(
        Settings.load(), base, documents or [], pack or [], how, out=out, replay=replay or [], valid=valid,
        credit=credit, json=json,
    )  # fmt: skip


@app.command(name="eval")
def evaluate(
    bases: Annotated[
        list[str] | None, typer.Argument(help="embedded, folders or hub ids; default: the base in use.")
    ] = None,
    valid: Annotated[
        Path | None, typer.Option(help="Held-out corpus file: bits per byte of each group.")
    ] = None,
    corpus: Annotated[
        list[Path] | None,
        typer.Option(help="Corpus files or folders that tell the group of each held-out source; repeatable."),
    ] = None,
    documents: Annotated[int, typer.Option(help="Documents a group, at most.", min=1)] = 40,
    probes: option.Probes = 100,
    seed: Annotated[int, typer.Option(help="Seed of the probes.")] = 0,
    samples: Annotated[bool, typer.Option(help="Print greedy replies and some misses too.")] = True,
    out: Annotated[
        Path | None, typer.Option(help="Write a Markdown section here, and its picture beside it.")
    ] = None,
    json: option.Json = False,
) -> None:
    """Compare bases: bits per byte on held-out text, and probes with 95 % intervals.

    Bits per byte do not depend on the tokenizer. The probes ask untuned bases, greedily, for what the
    product needs: copy an id, phrase a record, pick a tool, add, solve. About two minutes a base on one core.
    """
    from senmon.cli.base_comparison import compare_bases

    compare_bases(
        Settings.load(), bases or [], valid, corpus=corpus or [], documents=documents, probes=probes,
        seed=seed, samples=samples, out=out, json=json,
    )  # fmt: skip


@app.command()
def dialogues(
    out: Annotated[Path, typer.Option(help="File to write: NAME.jsonl or NAME.jsonl.xz.")],
    count: Annotated[int, typer.Option(help="Conversations to write.", min=1)] = 60_000,
    seed: Annotated[int, typer.Option(help="Another seed gives other conversations.")] = 0,
    json: option.Json = False,
) -> None:
    """Write made-up conversations in the product's own shape, to pretrain on.

    Each has an invented business with its own actions, records and articles, or is an exercise in reading,
    copying or arithmetic. They teach a base the skills that every pack needs; they hold nothing of a pack.
    """
    from senmon.cli.base_dialogues import write_dialogues

    write_dialogues(count, seed, out, json=json)
