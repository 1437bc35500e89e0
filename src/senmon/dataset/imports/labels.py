"""What a row says of itself beside its messages: intent, split, licence, tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from senmon.dataset.example import SPLITS
from senmon.dataset.imports.imported import DEFAULT_INTENT
from senmon.dataset.record import MAX_LABEL

_SPLIT_NAMES = {"validation": "valid", "val": "valid", "dev": "valid", "eval": "valid"}


@dataclass(frozen=True, slots=True)
class Labels:
    """Where the intent comes from: a name for all, or a field of the row (default `intent`)."""

    intent: str | None = None
    field: str = "intent"

    def of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Fields of `Imported`. What a row says in `metadata` counts as its own. Never raises.

        A label that is no text is left to the judge, which refuses the row by its name.
        """
        own = {**_mapping(row.get("metadata")), **row}
        found: dict[str, Any] = {"intent": self.intent or self._label(own)}
        split = own.get("split")
        split = _SPLIT_NAMES.get(split, split) if isinstance(split, str) else ""
        if split in SPLITS:
            found["split"] = split
        if isinstance(own.get("licence"), str):
            found["licence"] = own["licence"]
        tags = own.get("tags")
        if isinstance(tags, list) and all(isinstance(tag, str) for tag in tags):
            found["tags"] = tuple(tag[:MAX_LABEL] for tag in tags[:50])
        return found

    def _label(self, own: Mapping[str, Any]) -> str:
        value = own.get(self.field)
        if value is None or value == "":
            return DEFAULT_INTENT
        return value.strip() if isinstance(value, str) else str(value)[:MAX_LABEL]


def split_of(name: str) -> str:
    """A pack's split for another project's name of one; empty when there is none."""
    name = _SPLIT_NAMES.get(name, name)
    return name if name in SPLITS else ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
