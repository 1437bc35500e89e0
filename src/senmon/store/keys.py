"""API keys: 256 random bits, of which the database keeps the sha256 only."""

from __future__ import annotations

import hashlib
import secrets

PREFIX = "sk-"


def new_key() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def key_digest(key: str) -> str:
    """Hex. A plain hash is enough for a secret that nobody can guess."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
