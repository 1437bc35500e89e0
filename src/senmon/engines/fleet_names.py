"""What an adapter is called on a model server, and which adapters vLLM can serve."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from senmon.adapters import Adapter
from senmon.adapters.folder import read_config, tensor_names
from senmon.errors import AdapterError

#: What a name may hold besides: it is a folder's name for vLLM's resolver.
_UNSAFE = re.compile(r"[^A-Za-z0-9.+_-]")
#: Ranks that vLLM's `--max-lora-rank` takes.
MOST_RANK = 512
#: Fields of PEFT's config that change what an adapter computes and that not every vLLM knows: some
#: versions pass over them in silence.
_UNSEEN = (
    "rank_pattern",
    "alpha_pattern",
    "alora_invocation_tokens",
    "use_bdlora",
    "use_qalora",
    "layer_replication",
    "target_parameters",
    "trainable_token_indices",
    "lora_bias",
    "fan_in_fan_out",
)
_OUTSIDE = re.compile(r"\.(?:embed_tokens|lm_head|lora_embedding_[AB])(?:\.|$)")


def adapter_model(adapter: Adapter) -> str:
    """`support@0.2.0-1a53634af158`: pack, its version, 12 digits of the adapter's. So a name never changes
    what it means."""
    release = _UNSAFE.sub("_", adapter.card.pack_version)[:40]
    return f"{adapter.pack}@{release}{'-' if release else ''}{adapter.version[:12]}"


def check_servable(adapter: Adapter) -> None:
    """Raises AdapterError for what vLLM would refuse, or would load and compute otherwise."""
    faults = [*_config_faults(read_config(adapter.path))]
    if outside := [name for name in tensor_names(adapter.path) if _OUTSIDE.search(name)]:
        faults.append(f"it changes the embedding or the output layer ({outside[0][:80]})")
    if faults:
        raise AdapterError(
            f"{adapter.label} can't be served by vLLM: {'; '.join(faults)}",
            remedy="tune the pack again as plain LoRA of attention and MLP, or serve it with engine=local",
        )


def _config_faults(config: Mapping[str, Any]) -> list[str]:
    faults = [f"not every vLLM knows {name}" for name in _UNSEEN if config.get(name)]
    if config.get("use_dora") or config.get("modules_to_save"):
        faults.append("it uses DoRA or modules_to_save")
    if (rank := config.get("r")) and rank > MOST_RANK:
        faults.append(f"its rank {rank} is over {MOST_RANK}")
    return faults
