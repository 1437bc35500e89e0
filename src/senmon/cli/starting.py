"""What a start shows until the server answers: what is read now, and how long that still takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from senmon.cli.output import console
from senmon.workspace import Workspace

LOADING = "Loading the base model and the packs …"
READING = "Reading what the packs' requests mean (once; kept for later starts)"
FITTING = "Fitting the router …"


@contextmanager
def starting(workspace: Workspace, *, quiet: bool) -> Iterator[Callable[[], None]]:
    """Shows the start until the function that it gives is called, or the block ends."""
    if quiet or not console.is_terminal:
        if not quiet:
            console.print(LOADING, style="dim")
        yield lambda: None
        return
    columns = (
        TextColumn("[dim]{task.description}"),
        BarColumn(24),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=console, transient=True)
    task = bar.add_task(LOADING, total=None)

    def watch(done: int, total: int) -> None:
        nonlocal task
        bar.update(task, description=READING, completed=done, total=total)
        if done >= total:
            bar.remove_task(task)
            task = bar.add_task(FITTING, total=None)

    encoder = workspace.encoder
    if encoder is not None:
        encoder.watch = watch

    def stop() -> None:
        if encoder is not None:
            encoder.watch = None
        bar.stop()

    bar.start()
    try:
        yield stop
    finally:
        stop()
