"""The `utter_*` responses of a pack: `responses.yml`, in Rasa's domain format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from senmon.errors import PackInvalid, Problem

FILE = "responses.yml"
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][\w.-]*)\}")


@dataclass(frozen=True, slots=True)
class Responses:
    """`raw[name]` is the list of variations as written. The first one without a channel is used."""

    raw: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.raw

    def render(self, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """The response in the shape of `CollectingDispatcher.messages`, `{slot}` filled in.

        Raises KeyError when there is no such response.
        """
        variations = self.raw[name]
        chosen = next((each for each in variations if not each.get("channel")), variations[0])
        filled = _fill(chosen, values)
        return {
            "text": filled.get("text"),
            "buttons": filled.get("buttons") or [],
            "custom": filled.get("custom") or {},
            "image": filled.get("image"),
            "attachment": filled.get("attachment"),
        }


def _fill(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda match: _shown(match, values), value)
    if isinstance(value, dict):
        return {key: _fill(each, values) for key, each in value.items()}
    if isinstance(value, list):
        return [_fill(each, values) for each in value]
    return value


def _shown(match: re.Match[str], values: Mapping[str, Any]) -> str:
    value = values.get(match.group(1))
    return match.group(0) if value is None else str(value)


def load_responses(folder: Path) -> Responses:
    """Empty when the pack has no `responses.yml`; PackInvalid when it is not Rasa's format."""
    path = folder / FILE
    if not path.is_file():
        return Responses()
    from senmon.packs.yaml_text import parse_yaml

    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise PackInvalid("The responses can't be read.", [Problem(str(path), 0, "", str(error))]) from error
    data = parse_yaml(text, str(path)).value
    responses = data.get("responses") if isinstance(data, dict) else None
    problems = _problems(path, responses)
    if problems or not isinstance(responses, dict):
        raise PackInvalid("The responses are not in Rasa's domain format.", problems)
    return Responses(responses)


def _problems(path: Path, responses: Any) -> list[Problem]:
    remedy = "write `responses:` with `utter_name: [{text: …}]`"
    if not isinstance(responses, dict):
        return [Problem(str(path), 0, "responses", "must be a mapping", remedy)]
    return [
        Problem(str(path), 0, f"responses.{name}", "must be a list of mappings", remedy)
        for name, variations in responses.items()
        if not (isinstance(variations, list) and variations and all(isinstance(v, dict) for v in variations))
    ]
