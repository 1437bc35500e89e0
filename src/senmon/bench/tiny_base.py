"""A base that is tuned in seconds: for what must hold of any."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from senmon.bases.catalog import EMBEDDED_PATH, BaseFiles, resolve

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def make_tiny_base(folder: Path, *, seed: int = 0) -> BaseFiles:
    """A random two-layer Qwen3 of width 64 with the embedded base's tokenizer and template."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    vocabulary = json.loads((EMBEDDED_PATH / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        eos_token_id=2,
        pad_token_id=7,
        bos_token_id=None,
    )
    torch.manual_seed(seed)
    model = Qwen3ForCausalLM(config)
    model.save_pretrained(folder)
    for name in TOKENIZER_FILES:
        shutil.copyfile(EMBEDDED_PATH / name, folder / name)
    return resolve(str(folder))
