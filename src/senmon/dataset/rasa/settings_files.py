"""`config.yml`, `endpoints.yml`, `credentials.yml`: nearly all of it is noted, not carried over."""

from __future__ import annotations

import re

from senmon.dataset.rasa.bot import Bot
from senmon.dataset.rasa.yaml_part import Part

CONFIG_KEYS = frozenset({"pipeline", "policies", "recipe", "language", "assistant_id", "importers", "spaces"})
ENDPOINT_KEYS = frozenset(
    [
        "action_endpoint",
        "models",
        "model",
        "tracker_store",
        "event_broker",
        "lock_store",
        "nlg",
        "nlu",
        "model_groups",
        "vector_store",
        "tracing",
    ]
)
_DUCKLING = ("DucklingEntityExtractor", "DucklingHTTPExtractor", "ner_duckling_http")


def read_config(part: Part) -> None:
    """Takes the language and Duckling's dimensions; notes every component and policy."""
    bot = part.bot
    if "language" in part and part.get("language").value:
        bot.language = part.get("language").text().strip()
    _components(part.get("pipeline"), "pipeline", "routing and the model take its place")
    _components(part.get("policies"), "policy", "the model decides what to do next, from the conversation")
    for key in sorted(set(part.value or ()) - {"language", "pipeline", "policies", "version", "recipe"}):
        part.get(key).note("config", f"`{key}`", "has no counterpart")


def _components(part: Part, kind: str, why: str) -> None:
    if isinstance(part.value, str):
        part.note(kind, f"`{part.value}`", why)
        return
    for entry in part.entries():
        component = entry.get("name") if "name" in entry else entry
        name = component.value if isinstance(component.value, str) else "?"
        own = "." in name
        entry.note(
            kind, f"`{name[:80]}`", "is a class of its own, and its code is not run here" if own else why
        )
        if name.rsplit(".", 1)[-1] in _DUCKLING and "dimensions" in entry:
            part.bot.duckling += entry.get("dimensions").texts()


def read_endpoints(part: Part) -> None:
    """Takes the action server's address; notes the rest."""
    for item in part.items():
        if item.name == "version":
            continue
        if item.name != "action_endpoint":
            item.note("endpoint", f"`{item.name}`", "senmon has settings of its own (docs/settings.md)")
        elif "url" in item:
            _take_url(part.bot, item.get("url"))


def _take_url(bot: Bot, url: Part) -> None:
    text = url.text().strip()
    if re.fullmatch(r"https?://[^\s/${}]+(/[^\s${}]*)?", text):
        bot.action_url = text
    else:
        url.note(
            "endpoint", f"action server `{text[:60]}`", "is not a plain address", "give --action-server URL"
        )
