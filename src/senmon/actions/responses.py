"""The `utter_*` responses of a pack: `responses.yml`, in Rasa's domain format."""

from __future__ import annotations

import asyncio
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
    """`raw[name]` is the list of variations as written.

    Of those without a channel the first one whose `condition` holds is used, else the first without one.
    """

    raw: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.raw

    def render(self, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """The response in the shape of `CollectingDispatcher.messages`, `{slot}` filled in.

        Raises KeyError when there is no such response.
        """
        chosen = _chosen(self.raw[name], values)
        filled = _fill(chosen, values)
        return {
            "text": filled.get("text"),
            "buttons": filled.get("buttons") or [],
            "custom": filled.get("custom") or {},
            "image": filled.get("image"),
            "attachment": filled.get("attachment"),
            "elements": filled.get("elements") or [],
        }


def _chosen(variations: list[dict[str, Any]], values: Mapping[str, Any]) -> dict[str, Any]:
    pool = [each for each in variations if not each.get("channel")] or variations
    holding = (each for each in pool if each.get("condition") and _holds(each["condition"], values))
    plain = (each for each in pool if not each.get("condition"))
    return next(holding, None) or next(plain, {})


def _holds(conditions: Any, values: Mapping[str, Any]) -> bool:
    """Rasa's conditional responses: every slot has the wanted value, case aside."""
    if not isinstance(conditions, list):
        return False
    return all(
        isinstance(each, dict)
        and each.get("type") == "slot"
        and _folded(values.get(str(each.get("name")))) == _folded(each.get("value"))
        for each in conditions
    )


def _folded(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


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


class ResponsesCache:
    """The responses of each pack, read again when the file changes."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, int], Responses]] = {}

    async def get(self, folder: Path) -> Responses:
        """Parses outside the event loop, once per version of the file. Raises as `load_responses` does."""
        try:
            status = (folder / FILE).stat()
        except OSError:
            return Responses()
        stamp = (status.st_mtime_ns, status.st_size)
        known = self._known.get(folder)
        if known is None or known[0] != stamp:
            known = (stamp, await asyncio.to_thread(load_responses, folder))
            self._known[folder] = known
        return known[1]


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
