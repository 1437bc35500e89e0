"""LoRA layers on a base, and their files in PEFT's layout."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from senmon.adapters import AdapterCard
from senmon.adapters.durable import install_folder, temporary_folder
from senmon.bases.catalog import BaseFiles
from senmon.errors import ConfigError
from senmon.packs.manifest import RecipeSpec
from senmon.policy.artifact import FILE as POLICY
from senmon.policy.artifact import save as save_policy
from senmon.policy.model import Policy

#: 11 bits of precision at half the size; LoRA factors are far from its limits.
STORED = torch.float16
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
)


def attach(model: Any, recipe: RecipeSpec, base: BaseFiles) -> Any:
    """A PeftModel with fresh LoRA layers, drawn from the recipe's seed. Raises ConfigError for
    `target_modules` that this base lacks."""
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    torch.manual_seed(recipe.seed)
    if recipe.quantise:
        # Checkpointing would empty the prefix's cache.
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    lora = recipe.lora
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        use_rslora=lora.rslora,
        target_modules=list(lora.target_modules),
        revision=base.revision,
    )
    _require_modules(model, recipe)
    return get_peft_model(model, config).eval()


def set_dropout(model: nn.Module, *, on: bool) -> None:
    """LoRA's own dropout. The base stays in eval mode, whatever dropout it was trained with."""
    for module in model.modules():
        dropout = getattr(module, "lora_dropout", None)
        if isinstance(dropout, nn.Module):
            dropout.train(on)


def _require_modules(model: nn.Module, recipe: RecipeSpec) -> None:
    names = {name.rsplit(".", 1)[-1] for name, module in model.named_modules() if hasattr(module, "weight")}
    missing = [target for target in recipe.lora.target_modules if target.rsplit(".", 1)[-1] not in names]
    if missing:
        linear = {n.rsplit(".", 1)[-1] for n, m in model.named_modules() if "Linear" in type(m).__name__}
        raise ConfigError(
            f"recipe.lora.target_modules: this base has no {', '.join(missing)}",
            remedy=f"choose among {', '.join(sorted(linear)) or 'its linear layers'}",
        )


def parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """What is learnt, by name, in a fixed order."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in parameters(model).items()}


@torch.no_grad()
def restore(model: nn.Module, weights: dict[str, Tensor]) -> None:
    for name, parameter in parameters(model).items():
        parameter.copy_(weights[name])


@torch.no_grad()
def round_to_stored(model: nn.Module) -> None:
    """Give the weights the precision of the file, so that what is evaluated is what is published."""
    for parameter in parameters(model).values():
        parameter.copy_(parameter.to(STORED).to(parameter.dtype))


def save(
    model: Any,
    out: Path,
    *,
    base: BaseFiles,
    card: AdapterCard,
    template: str,
    policy: Policy | None = None,
    extras: tuple[Path, ...] = (),
) -> Path:
    """Write `out` in PEFT's layout, all at once: weights, config, card, tokenizer, chat template, policy."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    weights = {
        name: tensor.detach().to("cpu", STORED).contiguous()
        for name, tensor in sorted(get_peft_model_state_dict(model).items())
    }
    with temporary_folder(out.parent) as folder:
        save_file(weights, folder / "adapter_model.safetensors", metadata={"format": "pt"})
        _write_json(folder / "adapter_config.json", _config(model, base))
        (folder / "senmon.json").write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
        if policy is not None:
            save_policy(policy, folder / POLICY)
        for path in (*(base.path / name for name in TOKENIZER_FILES), *extras):
            if path.is_file():
                shutil.copyfile(path, folder / path.name)
        install_folder(folder, out)
    return out


def _config(model: Any, base: BaseFiles) -> dict[str, Any]:
    config = model.peft_config["default"].to_dict()
    plain = {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()}
    return {**plain, "base_model_name_or_path": base.spec, "revision": base.revision, "inference_mode": True}


def _write_json(path: Path, data: dict[str, Any]) -> None:
    text = json.dumps(data, indent=2, sort_keys=True, default=str, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
