"""What a reply of a conversation may rest on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

#: Fields of a result that say that nothing was done.
UNDONE = frozenset(("error", "ask", "missing", "choose"))


@dataclass(frozen=True, slots=True)
class Said:
    """`user`: the visitor's words; `passages`: articles shown; `results`: what actions gave."""

    user: tuple[str, ...] = ()
    passages: tuple[str, ...] = ()
    results: tuple[Mapping[str, Any], ...] = ()

    def all(self) -> str:
        return "\n".join(
            (*self.user, *self.passages, *(line for result in self.results for line in lines(result)))
        )

    def done(self) -> str:
        """What the results say that is so, in lower case."""
        return "\n".join(line for result in self.results for line in lines(_settled(result))).casefold()


def _settled(value: Any) -> Any:
    """A result without its parts that failed or wait."""
    if not isinstance(value, Mapping):
        return value
    if UNDONE & value.keys() or value.get("success") is False or value.get("ok") is False:
        return {}
    return {name: _settled(inner) for name, inner in value.items()}


def lines(value: Any, name: str = "") -> Iterator[str]:
    """Each value of a result on its own line, between the names of its fields (the last may be its unit)."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from lines(inner, f"{name} {key}".replace("_", " ").strip())
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from lines(inner, name)
    elif value is not None:
        text = value if isinstance(value, str) else json.dumps(value)
        yield f"{name}: {text} {name.split()[-1] if name else ''}"
