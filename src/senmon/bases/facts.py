"""What is known of a base from its files' headers, and how long it takes to load."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import prod

from senmon.bases.catalog import BaseFiles, load_model


def shown_name(base: BaseFiles) -> str:
    """The base's name; results of runs are all called `base`, so with the run's."""
    return f"{base.path.parent.name}/{base.name}" if base.name == "base" else base.name


def parameter_count(base: BaseFiles) -> int:
    """Counted from the headers of the weights, nothing loaded; a tied head counts once.

    Quantised weights are counted as they are stored.
    """
    from safetensors import safe_open

    total = 0
    for path in sorted(base.path.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            total += sum(prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    return total


def load_seconds(
    base: BaseFiles, *, device: str = "cpu", clock: Callable[[], float] = time.perf_counter
) -> float:
    """Seconds from files to a model that is ready to run, conversion to float32 counted.

    The libraries' imports are not counted: they are paid once per process, whatever the base.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):  # nothing is made; the architecture's module is imported
        config = AutoConfig.from_pretrained(base.path, local_files_only=True, trust_remote_code=False)
        AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    began = clock()
    load_model(base, device=device)
    return clock() - began
