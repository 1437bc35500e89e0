"""The work behind `senmon base`."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from senmon.bases.catalog import BaseFiles, best_device, resolve
from senmon.cli.output import console, emit_line, errors
from senmon.errors import ConfigError
from senmon.settings import Settings

if TYPE_CHECKING:
    from senmon.pretraining import pretrain as training
    from senmon.pretraining.mixing import Mix

SHOWN = ("model_type", "hidden_size", "num_hidden_layers", "vocab_size", "max_position_embeddings")


def describe(base: BaseFiles) -> dict[str, Any]:
    """What is known of a base without loading it."""
    config = jsonlib.loads((base.path / "config.json").read_text(encoding="utf-8"))
    weights = sum(path.stat().st_size for path in base.path.glob("*.safetensors"))
    known = {name: config[name] for name in SHOWN if name in config}
    return {"name": base.name, "digest": base.digest, "megabytes": round(weights / 1e6, 1), **known}


def parse_weights(given: Sequence[str], corpus: Sequence[Path]) -> Mix:
    """`support=0.4:0.6` → 0.4 at first, 0.6 in the last third. Without any, each file counts alike."""
    from senmon.pretraining.corpus import group_of
    from senmon.pretraining.mixing import Mix

    if not given:
        even = {group_of(path): 1.0 for path in corpus}
        return Mix(start=even, anneal=even)
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    for text in given:
        name, _, shares = text.partition("=")
        start, _, end = shares.partition(":")
        try:
            first[name], last[name] = float(start), float(end or start)
        except ValueError:
            raise ConfigError(
                f"--weight {text}: not GROUP=SHARE", remedy="for example support=0.4:0.6"
            ) from None
    return Mix(start=first, anneal=last)


def run_pretraining(
    settings: Settings,
    corpus: Sequence[Path],
    out: Path,
    valid: Path | None,
    start: str,
    weights: Sequence[str],
    *,
    tokens: int,
    minutes: float | None,
    seed: int,
    json: bool,
) -> None:
    """Pretrain with a progress bar, and say where the base lies."""
    from senmon.pretraining.pretrain import Plan, pretrain

    missing = [str(path) for path in (*corpus, *([valid] if valid else [])) if not path.is_file()]
    if missing:
        raise ConfigError(f"no such file: {', '.join(missing)}", remedy="name JSONL or JSONL.xz files")
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[figures]}"))
    bar = Progress(*columns, TimeRemainingColumn(), console=errors, disable=json)
    task = bar.add_task("tokenising", total=1.0, figures="")

    def show(now: training.Progress) -> None:
        if json:
            emit_line({"event": "progress", **asdict(now)})
            return
        figures = f"step {now.step}  loss {now.loss:.3f}  {now.tokens_per_second:,.0f} tok/s"
        bar.update(task, description="training", completed=now.share, figures=figures)

    with bar:
        pretrain(
            corpus, valid, base=resolve(start), fresh=None, out=out, mix=parse_weights(weights, corpus),
            plan=Plan(tokens=tokens, minutes=minutes, seed=seed),
            device=best_device() if settings.device == "auto" else settings.device, on_progress=show,
        )  # fmt: skip
    if json:
        emit_line({"event": "done", "base": str(out / "base")})
    else:
        console.print(
            f"The base is in {out / 'base'}; serve it with SENMON_BASE={out / 'base'}", markup=False
        )
