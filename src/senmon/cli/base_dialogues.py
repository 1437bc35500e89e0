"""The work behind `senmon base dialogues`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from senmon.cli.output import emit, errors
from senmon.errors import ConfigError
from senmon.pretraining.corpus import group_of


def write_dialogues(count: int, seed: int, out: Path, *, json: bool) -> None:
    """Write the file with a progress bar, and say what it holds."""
    from senmon.pretraining.dialogues import write

    if not out.name.endswith((".jsonl", ".jsonl.xz")):
        raise ConfigError(f"--out {out}: not a corpus file", remedy="name it NAME.jsonl or NAME.jsonl.xz")
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TimeRemainingColumn(), console=errors, disable=json) as bar:
        task = bar.add_task("writing conversations", total=count)
        try:
            size = write(count, seed, out, lambda done: bar.update(task, completed=done))
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigError(
                f"--out {out}: {reason}", remedy="choose a place that can be written"
            ) from error
    data: dict[str, Any] = {"file": str(out), "conversations": count, "seed": seed, "bytes": size}
    told = f"{count:,} conversations ({size / 1e6:.1f} MB) in {out}\n"
    emit(
        data, told + f"Next: senmon base pretrain {out} OTHER.jsonl --weight {group_of(out)}=0.3 …", json=json
    )
