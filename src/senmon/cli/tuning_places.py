"""Where `senmon tune` does its work: in this process, in several, on Ray; one pack or a queue of them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from senmon.errors import ConfigError
from senmon.settings import Settings

if TYPE_CHECKING:
    from senmon.tuning.tune import Candidate


@dataclass(frozen=True, slots=True)
class Places:
    """`on` is `here` or `ray`; `workers` share the work on one pack; `parallel` packs are tuned at once."""

    on: str
    workers: int
    checkpoints: str | None
    parallel: int

    def options(self) -> list[str]:
        """The same for one pack of a queue."""
        chosen = ["--on", self.on, "--workers", str(self.workers)]
        return [*chosen, *(["--checkpoints", self.checkpoints] if self.checkpoints else [])]

    def maker(self) -> Callable[..., Candidate]:
        if self.on == "ray":
            from senmon.tuning.ray_train import tune_on_ray

            return partial(tune_on_ray, workers=self.workers, checkpoints=self.checkpoints)
        from senmon.lifecycle.tuning_run import tune_candidate

        return partial(tune_candidate, checkpoints=self.checkpoints)


def tuned_packs(
    packs: Sequence[str], settings: Sequence[str], where: Places, *, full: bool, promote: bool, json: bool
) -> bool:
    """True when every pack passed the gate."""
    if where.checkpoints is not None:
        from senmon.tuning.storage import checked_address

        checked_address(where.checkpoints)
    if len(packs) > 1:
        return _queue(packs, settings, where, full=full, promote=promote, json=json)
    if where.on == "here" and where.workers > 1:
        return _several(packs[0], settings, where, full=full, promote=promote, json=json)
    from senmon.cli.tuning_session import tuned
    from senmon.workspace import Workspace

    workspace = Workspace.open(Settings.load())
    return asyncio.run(
        tuned(workspace, packs[0], settings, full=full, promote=promote, json=json, by=where.maker())
    )


def _queue(
    packs: Sequence[str], settings: Sequence[str], where: Places, *, full: bool, promote: bool, json: bool
) -> bool:
    from senmon.cli.tuning_queue import Queue
    from senmon.workspace import Workspace

    if "WORLD_SIZE" in os.environ:
        raise ConfigError(
            "several packs can't share the processes of one launch",
            remedy="one pack for each launch, or senmon tune PACK PACK --workers N",
        )
    options = [*where.options(), *_options(settings, full=full, promote=promote, json=False)]
    queue = Queue(Workspace.open(Settings.load()), packs, options, json=json)
    return asyncio.run(queue.run(where.parallel))


def _several(
    pack: str, settings: Sequence[str], where: Places, *, full: bool, promote: bool, json: bool
) -> bool:
    """The same command once for each process, as torchrun starts them. They speak for themselves."""
    if "WORLD_SIZE" in os.environ:
        raise ConfigError(
            "--workers within a launch of several processes would start processes of processes",
            remedy="leave --workers to torchrun or accelerate launch, or start senmon tune alone",
        )
    own = [*_options(settings, full=full, promote=promote, json=json)]
    own += ["--checkpoints", where.checkpoints] if where.checkpoints else []
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(where.workers)]
    command = [sys.executable, *launch, "-m", "senmon.cli.main", "tune", pack, *own]
    with subprocess.Popen(command) as child:
        while True:
            try:
                return child.wait() == 0
            except KeyboardInterrupt:  # they got it too, and the first writes its checkpoint
                continue


def _options(settings: Sequence[str], *, full: bool, promote: bool, json: bool) -> list[str]:
    given = [part for one in settings for part in ("--set", one)]
    given += ["--full"] if full else []
    given += [] if promote else ["--no-promote"]
    return given + (["--json"] if json else [])
