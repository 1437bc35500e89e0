"""Signatures as Standard Webhooks defines them (standardwebhooks.com, 1.0.0), so that its libraries verify.

Signed is `id.timestamp.body` with HMAC-SHA256. A receiver refuses a timestamp that is minutes old, and takes
an id that it has seen for a repetition.
"""

from __future__ import annotations

import base64
import hmac

PREFIX = "whsec_"


def webhook_secret(master: bytes, webhook: str) -> str:
    """Derived from the server's own secret, so that a copy of the database signs nothing."""
    digest = hmac.digest(master, f"webhook\0{webhook}".encode(), "sha256")
    return PREFIX + base64.b64encode(digest).decode("ascii")


def signed_headers(secret: str, event: str, timestamp: int, body: bytes) -> dict[str, str]:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    digest = hmac.digest(key, f"{event}.{timestamp}.".encode() + body, "sha256")
    return {
        "webhook-id": event,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode('ascii')}",
    }
