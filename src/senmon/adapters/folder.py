"""A folder in PEFT's layout: what it may hold, and the version that its content gives it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from senmon.adapters.durable import canonical_json
from senmon.errors import AdapterCorrupt, AdapterError

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
CURVE = "curve.png"
#: What a message makes likely (`senmon.policy`); a part of the version, for replies depend on it.
POLICY = "policy.safetensors"
#: Copied beside the weights when the source has them. Nothing else is ever copied.
COMPANIONS = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "chat_template.jinja",
    CURVE,
)
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
CONFIG_BYTES = 1_000_000
HEADER_BYTES = 16_000_000
TENSOR = re.compile(r"^base_model\.model\..+\.lora_(A|B|embedding_A|embedding_B)(\.weight)?$")
RETUNE = "tune the adapter again"


def file_digest(path: Path) -> str:
    """sha256 of a regular file. Raises AdapterCorrupt for a link or an unreadable file."""
    if path.is_symlink() or not path.is_file():
        raise AdapterCorrupt(f"{path}: missing, or not a regular file", remedy=RETUNE)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_config(folder: Path) -> dict[str, Any]:
    """`adapter_config.json` as an object. Raises AdapterCorrupt."""
    path = folder / CONFIG
    try:
        if path.is_symlink() or path.stat().st_size > CONFIG_BYTES:
            raise AdapterCorrupt(f"{path}: not an adapter config", remedy=RETUNE)
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise AdapterCorrupt(f"{path}: can't be read ({error})", remedy=RETUNE) from error
    if not isinstance(data, dict):
        raise AdapterCorrupt(f"{path}: not a JSON object", remedy=RETUNE)
    return data


def canonical_config(config: Mapping[str, Any], *, base: str, revision: str | None) -> dict[str, Any]:
    """PEFT's config with sorted module lists (PEFT writes sets) and the base named as the recipe does."""
    sorted_lists = {
        key: sorted(value)
        for key, value in config.items()
        if isinstance(value, list) and all(isinstance(item, str) for item in value)
    }
    return {**config, **sorted_lists, "base_model_name_or_path": base, "revision": revision}


def version_of(folder: Path, config: Mapping[str, Any] | None = None) -> str:
    """The version of a folder: sha256 over its weights, its canonical config and its policy, if it has one;
    64 hex digits.

    `config` stands in for the folder's own `adapter_config.json`.
    """
    try:
        text = canonical_json(read_config(folder) if config is None else config)
    except ValueError as error:
        raise AdapterCorrupt(f"{folder / CONFIG}: {error}", remedy=RETUNE) from error
    seal = hashlib.sha256(b"senmon adapter 1\n")
    seal.update(file_digest(folder / WEIGHTS).encode())
    seal.update(hashlib.sha256(text.encode("utf-8")).hexdigest().encode())
    if (folder / POLICY).is_file():
        seal.update(file_digest(folder / POLICY).encode())
    return seal.hexdigest()


def check_folder(folder: Path) -> dict[str, Any]:
    """Refuses what can't be loaded safely everywhere; returns the config.

    Raises AdapterError for pickles, DoRA, `modules_to_save` and other methods than LoRA; AdapterCorrupt
    for damaged files.
    """
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix in PICKLES:
            raise AdapterError(
                f"{path}: pickled weights can run code, they are never loaded",
                remedy=f"save the adapter as {WEIGHTS} (safe_serialization=True)",
            )
    config = read_config(folder)
    faults = [fault for fault in _config_faults(config) if fault]
    if faults:
        raise AdapterError(f"{folder / CONFIG}: {'; '.join(faults)}", remedy="tune a plain LoRA adapter")
    check_weights(folder / WEIGHTS)
    return config


def _config_faults(config: Mapping[str, Any]) -> tuple[str, ...]:
    rank = config.get("r")
    return (
        "" if config.get("peft_type") == "LORA" else f"peft_type {config.get('peft_type')!r} is not LORA",
        "use_dora is not served by every engine" if config.get("use_dora") else "",
        "modules_to_save is not served by every engine" if config.get("modules_to_save") else "",
        "auto_mapping is not accepted" if config.get("auto_mapping") else "",
        "bias must be none" if config.get("bias", "none") != "none" else "",
        "" if isinstance(rank, int) and rank > 0 else f"r {rank!r} is not a rank",
    )


def check_weights(path: Path) -> None:
    """Reads the safetensors header only: every tensor is a LoRA factor and lies inside the file."""
    try:
        header, data_bytes = _header(path)
        _check_tensors(header, data_bytes)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise AdapterCorrupt(f"{path}: not a LoRA safetensors file ({error})", remedy=RETUNE) from error


def tensor_names(folder: Path) -> tuple[str, ...]:
    """Of an adapter's weights, from the header. Raises AdapterCorrupt."""
    path = folder / WEIGHTS
    try:
        header, _ = _header(path)
        return tuple(name for name in header if name != "__metadata__")
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise AdapterCorrupt(f"{path}: not a LoRA safetensors file ({error})", remedy=RETUNE) from error


def _header(path: Path) -> tuple[Mapping[str, Any], int]:
    """The safetensors header, and how many bytes of data follow it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(HEADER_BYTES, size - 8):
            raise ValueError("its header does not fit")
        return json.loads(file.read(length)), size - 8 - length


def _check_tensors(header: Mapping[str, Any], data_bytes: int) -> None:
    tensors = {name: tensor for name, tensor in header.items() if name != "__metadata__"}
    if not tensors:
        raise ValueError("it holds no tensor")
    for name, tensor in tensors.items():
        begin, end = tensor["data_offsets"]
        if not TENSOR.match(name):
            raise ValueError(f"tensor {name[:120]!r} is not a LoRA factor")
        if not 0 <= begin <= end <= data_bytes:
            raise ValueError(f"tensor {name[:120]!r} lies outside the file, which may be cut short")
