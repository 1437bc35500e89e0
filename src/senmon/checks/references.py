"""Facts by reference: no `[[name]]` may reach a visitor unfilled, and none may be half a reference."""

from __future__ import annotations

import re

from senmon.checks.protocol import CheckContext
from senmon.messages import Verdict

_REFERENCE = re.compile(r"\[\[([^\[\]]*)\]\]")
_DOUBLE = re.compile(r"\[\[|\]\]")
#: `[order.eta]`: a reference that lost a bracket on both sides. A Markdown link has `(` after it.
_SINGLE = re.compile(r"(?<!\[)\[([a-z_][a-z0-9_]*(?:\.[a-z0-9_]+)+)\](?![\]\[(:])")
#: What may hold double brackets and mean something else: code and formulas.
_CODE = re.compile(r"```.*?```|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]+\$|\\\(.*?\\\)|\\\[.*?\\\]", re.S)
_MATRIX = re.compile(r"\[\[[\d\s.,+\-*/a-z()]*\](?:\s*,\s*\[[\d\s.,+\-*/a-z()]*\])*\]")


class References:
    """Repairs a candidate with an unresolved or malformed `[[reference]]`."""

    name = "references"

    def judge(self, released: str, candidate: str, context: CheckContext) -> Verdict:
        text = _CODE.sub("", candidate)
        unresolved = [name.strip() for name in _REFERENCE.findall(text) if not _is_numbers(name)]
        if unresolved:
            return self._repair(f"no such fact: {', '.join(name or '(empty)' for name in unresolved)}")
        text = _MATRIX.sub("", _REFERENCE.sub("", text))
        if _DOUBLE.search(text):
            return self._repair("half a reference: brackets that do not close")
        if lost := _SINGLE.search(text):
            return self._repair(f"a reference with single brackets: {lost[1]}")
        return Verdict(self.name, "pass")

    def _repair(self, reason: str) -> Verdict:
        return Verdict(self.name, "repair", reason)


def _is_numbers(name: str) -> bool:
    """`[[5]]` and `[[1, 2]]` are rows of numbers; `[[.1]]` is what is left of `[[answer.1]]`."""
    return bool(re.fullmatch(r"\s*[+\-]?\d[\d\s.,+\-]*", name))
