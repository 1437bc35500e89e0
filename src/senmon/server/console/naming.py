"""The names of the console's people."""

from __future__ import annotations

import re

from senmon.errors import ConfigError

_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{1,79}")


def account_name(text: str) -> str:
    """What signs in, in small letters. ConfigError."""
    name = text.strip().lower()
    if not _NAME.fullmatch(name):
        raise ConfigError(
            "this can't be an account's name",
            remedy="2 to 80 letters, digits and . _ @ + -, such as anna or anna@shop.example",
        )
    return name


def shown_name(text: str) -> str:
    """What visitors see. ConfigError."""
    name = " ".join(text.split())
    if not 1 <= len(name) <= 60 or not name.isprintable() or ":" in name:
        raise ConfigError("this can't be shown as a name", remedy="1 to 60 characters, without a colon")
    return name
