"""Log lines without personal data and secrets, whatever somebody wrote into them.

No line of senmon is meant to hold a message; this is for the one that does by mistake, and for libraries.
"""

from __future__ import annotations

import ipaddress
import logging
import re

from senmon.pii import find_personal

MAX_CHARACTERS = 4000
#: What a record of ours carries beside its text and may show as it is: made by the server, not by people.
_OURS = frozenset({"run_id", "pack", "method", "path"})
_NAMED = (
    r"(?:x-)?(?:[\w-]*[_-])?"
    r"(?:api[_-]?key|token|secret|passwor[dt]|passwd|cookie|authorization|senmon-customer)"
)
_SECRETS = (
    # JSON Web Tokens: visitors' and customers' tokens are such.
    (re.compile(r"\beyJ[\w-]{4,}\.[\w-]{4,}(?:\.[\w-]*)?"), "[token]"),
    (re.compile(r"\b(?:sk-|ss_|rt_)[\w-]{8,}"), "[key]"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{4,}"), r"\1 [token]"),
    (
        re.compile(
            rf"(?i)(?<![a-z])({_NAMED}[\"']?\s*[=:]\s*[\"']?)"
            r"(?!\[)(?!bearer |basic )[^\s\"'&,;}]{3,}"
        ),
        r"\1[secret]",
    ),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/@:]*:[^\s/@]+@"), r"\1[secret]@"),
)


def masked(text: str) -> str:
    """`text` with `[email]`, `[card]`, `[token]`, … in place of what is nobody's to read. Bounded."""
    text = text[:MAX_CHARACTERS]
    for pattern, shown in _SECRETS:
        text = pattern.sub(shown, text)
    parts, at = [], 0
    for found in find_personal(text):
        if found.kind == "ip" and not _is_public(found.text):
            continue
        parts += [text[at : found.start], f"[{found.kind}]"]
        at = found.end
    return "".join([*parts, text[at:]])


def _is_public(address: str) -> bool:
    """The addresses that a server listens on tell nothing of a visitor."""
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return True


class MaskingFilter(logging.Filter):
    """Masks each record once, before any formatter sees it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = masked(_message(record)), None
        facts = getattr(record, "facts", None)
        if isinstance(facts, dict):
            record.facts = {name: _fact(name, value) for name, value in facts.items()}
        return True


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # arguments that don't fit the text: logging itself would write both out
        return "a log record that can't be formatted"


def _fact(name: str, value: object) -> object:
    return masked(value) if isinstance(value, str) and name not in _OURS else value
