"""What strangers wrote, for a terminal: no control sequence, no markup."""

from __future__ import annotations

from rich.markup import escape


def plain(text: str) -> str:
    """Signs that steer a terminal, or turn the order of letters, show as `�`; line breaks stay."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "�" for sign in text)


def safe(text: str) -> str:
    """The same, for where rich reads markup."""
    return escape(plain(text))
