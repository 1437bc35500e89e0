"""PEFT folders → weights in memory: checked before use, the last ones kept."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from senmon.adapters.card import Adapter
from senmon.adapters.folder import WEIGHTS, check_folder, version_of
from senmon.engines.local_lora import LoadedAdapter, LoraBank
from senmon.engines.local_sites import SiteBank
from senmon.errors import AdapterCorrupt, AdapterMismatch, AdapterNotFound

_PREFIX = "base_model.model."
_REMEDY = "tune the pack again for this base"
#: Initialisations that change the base's own weights would need the changed base.
_PLAIN_STARTS = (True, False, "gaussian", "eva", "orthogonal")
_UNSUPPORTED = (
    "rank_pattern",
    "alpha_pattern",
    "fan_in_fan_out",
    "layer_replication",
    "lora_bias",
    "trainable_token_indices",
    "target_parameters",
    "use_qalora",
    "alora_invocation_tokens",
    "arrow_config",
)


class AdapterPool:
    """Loads adapters, keeps the most recent ones by count and bytes. Thread-safe."""

    def __init__(self, bank: LoraBank | SiteBank, base_digest: str, *, count: int, bytes: int) -> None:
        self._bank = bank
        self._base_digest = base_digest
        self._count = count
        self._bytes = bytes
        self._lock = threading.Lock()
        self._loaded: OrderedDict[str, LoadedAdapter] = OrderedDict()
        #: Since the start: found in memory, read from disk, put out for another.
        self.hits = self.loads = self.evictions = 0

    def __len__(self) -> int:
        return len(self._loaded)

    def get(self, adapter: Adapter) -> LoadedAdapter:
        """Raises AdapterNotFound, AdapterMismatch, AdapterCorrupt, AdapterError (a kind not served)."""
        if adapter.card.base_digest != self._base_digest:
            raise AdapterMismatch(
                f"adapter {adapter.label} was tuned for another base ({adapter.card.base_digest[:12]}, "
                f"this is {self._base_digest[:12]})",
                remedy=_REMEDY,
            )
        with self._lock:
            loaded = self._loaded.pop(adapter.version, None)
            if loaded is not None:
                self.hits += 1
            else:
                loaded = self._load(adapter)
                self.loads += 1
            self._loaded[adapter.version] = loaded
            self._evict()
            return loaded

    def _evict(self) -> None:
        # Rows that still run hold their adapter themselves.
        while len(self._loaded) > 1 and (
            len(self._loaded) > self._count or sum(one.bytes for one in self._loaded.values()) > self._bytes
        ):
            self._loaded.popitem(last=False)
            self.evictions += 1

    def _load(self, adapter: Adapter) -> LoadedAdapter:
        if not (adapter.path / WEIGHTS).is_file():
            raise AdapterNotFound(f"adapter {adapter.label} has no files at {adapter.path}", remedy=_REMEDY)
        config = check_folder(adapter.path)
        if version_of(adapter.path) != adapter.version:
            raise AdapterCorrupt(
                f"{adapter.path}: its files differ from version {adapter.version[:12]}",
                remedy="publish or tune the adapter again",
            )
        weights = self._bank.fuse(_read_weights(adapter.path, config, self._bank))
        size = sum(a.nbytes + b.nbytes for a, b in weights.values())
        return LoadedAdapter(adapter.version, weights, size)


def _read_weights(
    folder: Path, config: Mapping[str, Any], bank: LoraBank | SiteBank
) -> Mapping[str, tuple[torch.Tensor, torch.Tensor]]:
    odd = [key for key in _UNSUPPORTED if config.get(key)]
    if config.get("init_lora_weights", True) not in _PLAIN_STARTS:
        odd.append("init_lora_weights")
    if odd:
        raise AdapterMismatch(f"{folder}: the local engine does not serve {', '.join(odd)}", remedy=_REMEDY)
    rank, alpha = int(config["r"]), float(config.get("lora_alpha", 8))
    scale = alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank
    factors = _read_factors(folder)
    faults = [fault for name, pair in factors.items() if (fault := _fault(name, pair, rank, bank))]
    if faults:
        raise AdapterMismatch(f"{folder}: {'; '.join(faults[:8])}", remedy=_REMEDY)
    return {
        name: (_place(pair["A"], bank), _place(pair["B"].T * scale, bank)) for name, pair in factors.items()
    }


def _read_factors(folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    factors: dict[str, dict[str, torch.Tensor]] = {}
    with safe_open(folder / WEIGHTS, framework="pt") as file:
        for key in file.keys():  # noqa: SIM118 — not a mapping
            name, _, factor = key.removesuffix(".weight").rpartition(".lora_")
            factors.setdefault(name.removeprefix(_PREFIX), {})[factor] = file.get_tensor(key).float()
    return factors


def _fault(name: str, pair: Mapping[str, torch.Tensor], rank: int, bank: LoraBank | SiteBank) -> str:
    if name not in bank.shapes:
        return f"{name} is no linear layer of this base"
    if set(pair) != {"A", "B"}:
        return f"{name} needs lora_A and lora_B"
    width, height = bank.shapes[name]
    a, b = tuple(pair["A"].shape), tuple(pair["B"].shape)
    if a != (rank, width) or b != (height, rank):
        return f"{name} has shapes {a} and {b} instead of {(rank, width)} and {(height, rank)}"
    # A value that isn't finite would spoil the slot for the rows after it.
    return "" if all(bool(factor.isfinite().all()) for factor in pair.values()) else f"{name} isn't finite"


def _place(factor: torch.Tensor, bank: LoraBank | SiteBank) -> torch.Tensor:
    return factor.to(device=bank.device, dtype=bank.dtype).contiguous()
