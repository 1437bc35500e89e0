"""The work behind `senmon base pretrain` and `senmon base adapt`."""

from __future__ import annotations

import asyncio
import json as jsonlib
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from senmon.bases.catalog import BaseFiles, best_device, resolve
from senmon.cli.output import console, emit_line, errors
from senmon.errors import ConfigError
from senmon.settings import Settings

if TYPE_CHECKING:
    from senmon.pretraining import plan as plans
    from senmon.pretraining.adapting import Adaptation
    from senmon.pretraining.comparison import BaseReport
    from senmon.pretraining.pretrain import Result

SHOWN = ("model_type", "hidden_size", "num_hidden_layers", "vocab_size", "max_position_embeddings")


def describe(base: BaseFiles) -> dict[str, Any]:
    """What is known of a base without loading it."""
    from senmon.bases.facts import parameter_count

    config = jsonlib.loads((base.path / "config.json").read_text(encoding="utf-8"))
    weights = sum(path.stat().st_size for path in base.path.glob("*.safetensors"))
    known = {name: config[name] for name in SHOWN if name in config}
    return {
        "name": base.name,
        "folder": str(base.path),
        "digest": base.digest,
        "parameters": parameter_count(base),
        "megabytes": round(weights / 1e6, 1),
        **known,
    }


class Shown:
    """A progress bar on stderr for people, or JSON lines on stdout."""

    def __init__(self, *, json: bool) -> None:
        self.json = json
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[figures]}"))
        self.bar = Progress(*columns, TimeRemainingColumn(), console=errors, disable=json)
        self._task = self.bar.add_task("starting", total=1.0, figures="")

    def show(self, now: plans.Progress) -> None:
        training = now.phase == "training"
        if self.json:
            emit_line(
                {"event": "progress", **asdict(now)} if training else {"event": "phase", "phase": now.phase}
            )
            return
        if not training:
            self.bar.update(self._task, description=escape(now.phase))
            return
        figures = f"step {now.step}  loss {now.loss:.3f}  {now.tokens_per_second:,.0f} tok/s"
        self.bar.update(self._task, description=now.phase, completed=now.share, figures=figures)


class Patience:
    """Says when to pause: at the end of the time given, or after the first Ctrl-C (the second one kills)."""

    def __init__(self, minutes: float | None) -> None:
        self._until = time.monotonic() + minutes * 60 if minutes else None
        self._before: Any = None
        self.interrupted = False

    def __enter__(self) -> Patience:
        self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.interrupted = True
        signal.signal(signal.SIGINT, self._before)
        errors.print("stopping after this step and saving; Ctrl-C again to stop at once")

    def over(self) -> bool:
        return self.interrupted or (self._until is not None and time.monotonic() > self._until)


class Pretraining:
    """One run of `senmon base pretrain`."""

    def __init__(
        self,
        settings: Settings,
        plan: plans.Plan,
        *,
        out: Path,
        valid: Path | None,
        pause_after: float | None,
        credit: Path | None,
        probes: int,
        json: bool,
    ) -> None:
        from senmon.pretraining.card import read_credit

        self.settings, self.plan, self.out, self.valid = settings, plan, out, valid
        self.pause_after, self.probes, self.json = pause_after, probes, json
        self.credit = read_credit(credit)
        self.device = device_of(settings)

    def run(
        self,
        corpus: Sequence[Path],
        start: str,
        fresh: str | None,
        tokenizer: Path | None,
        weights: Sequence[str],
        shards: Path | None,
    ) -> None:
        """Pretrain with a progress bar, write the card, say where the base lies."""
        from senmon.pretraining.corpus import corpus_files
        from senmon.pretraining.pretrain import pretrain
        from senmon.pretraining.weighting import parse_weights

        set_threads(self.settings)
        files = corpus_files(corpus, leave_out=[self.valid])
        if self.valid is not None:
            corpus_files([self.valid])
        base, configuration = self._start(start, fresh, tokenizer)
        shown = Shown(json=self.json)
        with shown.bar, Patience(self.pause_after) as patience:
            result = pretrain(
                files,
                self.valid,
                base=base,
                fresh=configuration,
                out=self.out,
                mix=parse_weights(weights),
                plan=self.plan,
                device=self.device,
                compare=resolve(start) if fresh else None,
                cache=shards,
                pause=patience.over,
                on_progress=shown.show,
            )
        report = self._probed(result) if result.finished and self.probes else None
        write_card(result, credit=self.credit, probes=report)
        tell(result, json=self.json)

    def _start(
        self, start: str, fresh: str | None, tokenizer: Path | None
    ) -> tuple[BaseFiles, dict[str, Any] | None]:
        base = resolve(start)
        if fresh is None:
            if tokenizer is not None:
                raise ConfigError("--tokenizer needs --fresh", remedy="add --fresh full, or leave it out")
            return base, None
        from senmon.pretraining.presets import fresh_base

        return fresh_base(fresh, tokenizer or base.path, self.out / "start")

    def _probed(self, result: Result) -> BaseReport:
        from senmon.cli.base_comparison import ProbingBar
        from senmon.pretraining.comparison import examine

        made = resolve(str(result.base))
        with ProbingBar("probes", quiet=self.json) as bar:
            threads = self.settings.threads
            return asyncio.run(
                examine(made, [], count=self.probes, device=self.device, threads=threads, tell=bar.show)
            )


def adapt_base(
    settings: Settings,
    name: str,
    places: Sequence[Path],
    packs: Sequence[str],
    how: Adaptation,
    *,
    out: Path,
    replay: Sequence[Path],
    valid: Path | None,
    credit: Path | None,
    json: bool,
) -> None:
    """Adapt with a progress bar, write the card, say what it brought."""
    from senmon.pretraining.adapting import adapt
    from senmon.pretraining.card import read_credit
    from senmon.pretraining.corpus import corpus_files
    from senmon.pretraining.documents import Raw, read_places
    from senmon.workspace import Workspace

    set_threads(settings)
    workspace = Workspace.open(settings)
    articles = [
        Raw(f"{pack}/{article.id}", f"# {article.title}\n\n{article.text}")
        for pack in packs
        for article in workspace.pack(pack).articles
    ]
    documents = [*articles, *read_places(places)]
    if not documents:
        raise ConfigError("there are no documents", remedy="name files or folders, or --pack PACK")
    text = read_credit(credit)
    files = corpus_files(replay, leave_out=[valid]) if replay else []
    shown = Shown(json=json)
    with shown.bar, Patience(None) as patience:
        result = adapt(
            resolve(name), documents, how, out=out, replay=files, valid=valid, device=device_of(settings),
            pause=patience.over, on_progress=shown.show,
        )  # fmt: skip
    write_card(result, credit=text)
    tell(result, json=json)


def device_of(settings: Settings) -> str:
    return best_device() if settings.device == "auto" else settings.device


def set_threads(settings: Settings) -> None:
    """What SENMON_THREADS says; without it torch decides."""
    from senmon.pretraining.precision import use_threads

    use_threads(settings.threads)


def write_card(result: Result, *, credit: str, probes: BaseReport | None = None) -> None:
    """The README of the base, with the command that was given."""
    from senmon.adapters import durable
    from senmon.pretraining.card import card

    command = shlex.join(["senmon", *sys.argv[1:]])
    durable.write_text(result.base / "README.md", card(result, command=command, credit=credit, probes=probes))


def tell(result: Result, *, json: bool) -> None:
    """What came of it: a table for people, one line for programs."""
    bits = {
        group: {"before": result.before[group].value if group in result.before else None, "after": one.value}
        for group, one in result.after.items()
    }
    if json:
        event = "done" if result.finished else "paused"
        data = {"base": str(result.base), "steps": result.state.step, "tokens": result.state.tokens}
        emit_line({"event": event, **data, "bits_per_byte": bits, "epochs": dict(result.epochs)})
        return
    for table in _tables(result):
        console.print(table)
    if not result.finished:
        console.print("Paused: the same command goes on. The weights so far:", str(result.base), markup=False)
        return
    console.print(f"The curve: {result.out / 'curve.png'}", markup=False, soft_wrap=True)
    console.print(
        f"The base is in {result.base}; serve it with SENMON_BASE={result.base} "
        "(adapters are tuned for one base: tune the packs again)",
        markup=False,
        soft_wrap=True,
    )


def _tables(result: Result) -> list[Table]:
    sources = Table("group/source", "documents", "times seen", title="What was read", title_justify="left")
    for name, count in sorted(result.documents.items()):
        sources.add_row(escape(name), f"{count:,}", f"{result.epochs.get(name, 0.0):.2f}")
    if not result.after:
        return [sources]
    before = result.reference or "none"
    table = Table("group", "documents", escape(before), "this base", "change, 95 % interval")
    table.title, table.title_justify = "Held-out bits per byte (lower is better)", "left"
    for group, one in result.after.items():
        old = result.before.get(group)
        gap = one.change_text(old) if old else ""
        row = (str(len(one.bits)), f"{old.value:.3f}" if old else "", f"{one.value:.3f}", gap)
        stopped = (
            f" (stopped at step {result.state.stopped[group]:,})" if group in result.state.stopped else ""
        )
        table.add_row(escape(group + stopped), *row)
    return [sources, table]
