"""A base in Hugging Face format, put in place in one step."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import torch

from senmon.adapters import durable
from senmon.pretraining.checkpoint import writing

SHARD_SIZE = "14MB"
READABLE = 0o644
#: Beside weights and configuration: tokenizer and template, whatever kind of tokenizer it is.
_PATTERNS = (
    "tokenizer*", "*.jinja", "generation_config.json", "special_tokens_map.json", "vocab.*",
    "merges.txt", "added_tokens.json", "*.model",
)  # fmt: skip


def tokenizer_files(folder: Path) -> list[Path]:
    return sorted({path for pattern in _PATTERNS for path in folder.glob(pattern) if path.is_file()})


def write_base(model: Any, tokenizer_folder: Path, destination: Path, *, card: str | None = None) -> None:
    """Weights in bf16, in shards of at most 14 MB (one per tensor where a tensor is larger).

    The model is left as it is. Raises TuningError when the disk refuses; the base before stays.
    """
    half = copy.deepcopy(model).to("cpu", torch.bfloat16).eval()
    with writing(destination), durable.temporary_folder(destination.parent) as draft:
        inside = draft / "base"
        half.save_pretrained(inside, max_shard_size=SHARD_SIZE)
        for path in inside.glob("*.safetensors"):
            path.chmod(READABLE)  # they are made for their owner's eyes only
        for path in tokenizer_files(tokenizer_folder):
            shutil.copyfile(path, inside / path.name)
        if card is not None:
            (inside / "README.md").write_text(card, encoding="utf-8")
        durable.install_folder(inside, destination)
