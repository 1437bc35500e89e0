"""Bases that do not exist yet: a size, and a tokenizer made complete.

A raw `tokenizer.json` becomes a tokenizer folder: special tokens, configuration, the product's chat template,
generation settings.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from senmon.adapters import durable
from senmon.bases.catalog import EMBEDDED_PATH, BaseFiles, folder_digest
from senmon.errors import BaseCorrupt, BaseNotFound, ConfigError
from senmon.pretraining.release import tokenizer_files

#: Qwen3 with tied embeddings. `full` has 18.9 M parameters with 16,384 entries: 38 MB in bf16.
PRESETS: Mapping[str, Mapping[str, int]] = {
    "tiny": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
             "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 1024},
    "small": {"hidden_size": 320, "intermediate_size": 896, "num_hidden_layers": 7, "num_attention_heads": 5,
              "num_key_value_heads": 5, "head_dim": 64, "max_position_embeddings": 2048},
    "full": {"hidden_size": 384, "intermediate_size": 1024, "num_hidden_layers": 8, "num_attention_heads": 6,
             "num_key_value_heads": 2, "head_dim": 64, "max_position_embeddings": 2048},
}  # fmt: skip
END, TURN_END, PAD = "<|endoftext|>", "<|im_end|>", "<|pad|>"
SPECIAL = (END, "<|im_start|>", TURN_END, "<tool_call>", "</tool_call>", PAD)
_MULTIPLE = 64


def fresh_base(preset: str, tokenizer: Path, folder: Path) -> tuple[BaseFiles, dict[str, Any]]:
    """A folder with tokenizer and template, and the configuration of a model that fits it.

    `tokenizer` is a `tokenizer.json` or a folder that holds one. Raises ConfigError for an unknown preset,
    BaseNotFound or BaseCorrupt for a tokenizer that is not there or can't be read.
    """
    if preset not in PRESETS:
        raise ConfigError(f"--fresh {preset}: unknown", remedy=f"choose {', '.join(PRESETS)}")
    source = tokenizer / "tokenizer.json" if tokenizer.is_dir() else tokenizer
    if not source.is_file():
        raise BaseNotFound(
            f"no tokenizer in {tokenizer}",
            remedy="name a tokenizer.json (Hugging Face format), or its folder",
        )
    text, ids, size = _completed(source)
    context = PRESETS[preset]["max_position_embeddings"]
    with durable.temporary_folder(folder.parent) as draft:
        inside = draft / "start"
        inside.mkdir()
        _write_folder(inside, text, ids, context)
        if tokenizer.is_dir():  # its own template and settings win
            for path in tokenizer_files(tokenizer):
                if path.name != "tokenizer.json":
                    shutil.copyfile(path, inside / path.name)
        config = configuration(preset, size, end=ids[TURN_END], pad=ids[PAD])
        durable.write_json(inside / "config.json", {"model_type": "qwen3", **config})
        durable.install_folder(inside, folder)
    return BaseFiles(str(folder.resolve()), None, folder.resolve(), folder_digest(folder)), config


def configuration(preset: str, entries: int, *, end: int, pad: int) -> dict[str, Any]:
    """Keys of a Qwen3Config; the vocabulary is rounded up to a multiple of 64."""
    return {
        **PRESETS[preset],
        "vocab_size": -(-entries // _MULTIPLE) * _MULTIPLE,
        "tie_word_embeddings": True,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
        "bos_token_id": None,
        "eos_token_id": end,
        "pad_token_id": pad,
    }


def _completed(source: Path) -> tuple[str, dict[str, int], int]:
    """The tokenizer with every special token; their ids; the number of entries."""
    from tokenizers import AddedToken, Tokenizer

    try:
        tokenizer = Tokenizer.from_str(source.read_text(encoding="utf-8"))
    except Exception as error:  # the library raises plain Exception
        raise BaseCorrupt(
            f"{source} is not a tokenizer ({str(error)[:200]})",
            remedy="name a tokenizer.json of Hugging Face",
        ) from error
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in SPECIAL])
    ids = {text: tokenizer.token_to_id(text) or 0 for text in SPECIAL}  # added above, so never None
    return tokenizer.to_str(), ids, tokenizer.get_vocab_size(with_added_tokens=True)


def _write_folder(folder: Path, tokenizer: str, ids: Mapping[str, int], context: int) -> None:
    durable.write_text(folder / "tokenizer.json", tokenizer)
    shutil.copyfile(EMBEDDED_PATH / "chat_template.jinja", folder / "chat_template.jinja")
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": TURN_END,
        "pad_token": PAD,
        "model_max_length": context,
        "clean_up_tokenization_spaces": False,
    }
    durable.write_json(folder / "tokenizer_config.json", settings)
    generation = {"eos_token_id": ids[TURN_END], "pad_token_id": ids[PAD], "do_sample": False}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=1) + "\n", encoding="utf-8")
