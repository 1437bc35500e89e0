"""A site's secret, with which it signs its customers' tokens: derived, never stored.

HMAC-SHA256 over the site's key and a random salt, keyed with the server's own secret (`home/secret`). The
database keeps the salt alone, so a copy of the database signs nobody in.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

PREFIX = "ss_"
KEY_PREFIX = "pk_"


def new_public_key() -> str:
    return KEY_PREFIX + secrets.token_urlsafe(18)


def new_salt() -> str:
    return secrets.token_urlsafe(24)


def site_secret(master: bytes, public_key: str, salt: str) -> str:
    """`ss_` and 43 letters: 256 bits. The site uses the text itself, as UTF-8, as its HS256 key."""
    digest = hmac.digest(master, f"site secret\0{public_key}\0{salt}".encode(), "sha256")
    return PREFIX + base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")


def fingerprint(secret: str) -> str:
    """Tells whether a derived secret is still the one that the site was told; says nothing else of it."""
    return hashlib.sha256(b"fingerprint\0" + secret.encode()).hexdigest()
