"""What is known of a base from its files' headers, and how long it takes to load."""

from __future__ import annotations

import time
from math import prod

from senmon.bases.catalog import BaseFiles, load_model


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


def load_seconds(base: BaseFiles, *, device: str = "cpu") -> float:
    """Seconds from files to a model that is ready to run; imports of the libraries not counted."""
    import torch  # noqa: F401
    from transformers import AutoModelForCausalLM  # noqa: F401

    began = time.perf_counter()
    load_model(base, device=device)
    return time.perf_counter() - began
