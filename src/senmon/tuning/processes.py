"""Several processes that tune together: what they must agree on, and what their environment must say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from senmon.errors import ConfigError, TuningError

#: What `torchrun`, `accelerate launch` and Ray Train set together.
NEEDED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


def rank(environment: Mapping[str, str]) -> int:
    """This process' number among those that tune together; 0 when it is alone.

    Raises ConfigError for a half environment, in which processes would wait for each other forever.
    """
    if environment.get("WORLD_SIZE", "1") == "1":
        return 0
    missing = [name for name in NEEDED if not environment.get(name)]
    wrong = [name for name in NEEDED if name != "MASTER_ADDR" and not _whole(environment.get(name, ""))]
    if missing or wrong:
        raise ConfigError(
            f"WORLD_SIZE is {environment['WORLD_SIZE']}, but {', '.join(missing or wrong)} is wrong",
            remedy="start all processes by torchrun or accelerate launch, or unset WORLD_SIZE and RANK",
        )
    return int(environment["RANK"])


def _whole(text: str) -> bool:
    return text.isdecimal()


def require_same_step(accelerator: Any, step: int | None) -> None:
    """Raises TuningError in all processes when they would go on from different checkpoints."""
    if accelerator.num_processes == 1:
        return
    from accelerate.utils import gather_object

    steps = gather_object([-1 if step is None else step])
    if len(set(steps)) > 1:
        found = ", ".join("none" if one < 0 else f"step {one}" for one in steps)
        raise TuningError(
            f"the processes found different checkpoints ({found})",
            remedy="let SENMON_HOME be a folder that all machines share, or give --checkpoints with an "
            "address that all of them reach",
        )
