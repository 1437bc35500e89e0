"""The README of an adapter: a model card that the hub and people can read.

YAML fields: https://huggingface.co/docs/hub/model-cards
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from senmon.adapters.card import AdapterCard

TEXT = """\
# {title}

{description}

A LoRA adapter for the base `{base}` (digest `{base_digest}`), tuned by senmon
for the pack `{pack}` {pack_version}. It is in PEFT's layout and loads unchanged in PEFT and in vLLM.

## How it was tuned

- rank {rank}, alpha {alpha:g}{rslora}, on {modules}
- device: {device}; made: {created}
- dataset digest `{dataset_digest}`, prompt digest `{prefix_digest}`, recipe digest `{recipe_digest}`

{recipe}
{curve}
## Figures

{figures}

## Gate

{verdict}

## Limits

It answers in the domain of its pack, with the pack's static prompt and its checks around it. Without them,
or on another base, its answers are not covered by the figures above. Don't use it for decisions about people.
"""


#: Metrics of tuning that say how good an adapter is; the others say how it was made.
QUALITY = ("valid_loss", "base_valid_loss")


def model_card(
    card: AdapterCard,
    *,
    figures: str = "",
    verdict: str = "",
    measured: Mapping[str, float] | None = None,
    curve: str = "",
) -> str:
    """The README. `figures` and `verdict` are Markdown made by the evaluation; empty, the card says so.

    `curve` is the name of the picture of the losses, when one lies beside the README.
    `measured` are the figures for the model index; without them the losses of tuning are taken.
    """
    known = measured or {name: card.metrics[name] for name in QUALITY if name in card.metrics}
    head = yaml.safe_dump(front_matter(card, known), sort_keys=False, allow_unicode=True)
    body = TEXT.format(
        title=card.title or f"Adapter of the pack {card.pack}",
        description=card.description,
        rslora=" (rank-stabilised)" if card.rslora else "",
        modules=", ".join(card.target_modules),
        recipe=_recipe(card.recipe),
        curve=f"\n![training and validation loss over the steps]({curve})\n" if curve else "",
        figures=figures or _metrics(card.metrics),
        verdict=verdict
        or "No gate verdict is part of this folder; verdicts are kept beside it in the store.",
        **card.model_dump(
            include={
                "base",
                "base_digest",
                "pack",
                "pack_version",
                "rank",
                "alpha",
                "device",
                "created",
                "dataset_digest",
                "prefix_digest",
                "recipe_digest",
            }
        ),
    )
    return f"---\n{head}---\n\n{body}"


def front_matter(card: AdapterCard, metrics: Mapping[str, float]) -> dict[str, Any]:
    """The YAML block of the model card. `metrics` are what the model index reports."""
    return {
        "base_model": card.base,
        "base_model_relation": "adapter",
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "tags": ["lora", "senmon", card.pack],
        "datasets": [f"{card.pack}-{card.dataset_digest[:12]}"],
        **({"language": list(card.language)} if card.language else {}),
        **({"license": card.licence.lower()} if card.licence else {}),
        "metrics": sorted(metrics),
        "model-index": [{"name": f"{card.pack}-adapter", "results": [_result(card, metrics)]}],
    }


def _result(card: AdapterCard, metrics: Mapping[str, float]) -> dict[str, Any]:
    return {
        "task": {"type": "text-generation"},
        "dataset": {
            "type": "senmon-pack",
            "name": card.pack,
            "split": "held-out",
            "revision": card.dataset_digest,
        },
        "metrics": [{"type": name, "name": name, "value": value} for name, value in sorted(metrics.items())],
    }


def _metrics(metrics: Mapping[str, float]) -> str:
    if not metrics:
        return "None were measured."
    rows = "\n".join(f"| {name} | {value:.4g} |" for name, value in sorted(metrics.items()))
    return f"| metric | value |\n|---|---|\n{rows}"


def _recipe(recipe: Mapping[str, Any]) -> str:
    if not recipe:
        return ""
    return "```yaml\n" + yaml.safe_dump(dict(recipe), sort_keys=True, allow_unicode=True) + "```"
