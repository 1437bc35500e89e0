"""The server's own secret, with which it signs visitors' tokens."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from senmon.errors import ConfigError

_BYTES = 32


def load_secret(home: Path) -> bytes:
    """32 bytes from `home/secret` (mode 0600), made at first. ConfigError when others may read it."""
    path = home / "secret"
    home.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _create(path)
    if path.stat().st_mode & 0o077:
        raise ConfigError(f"{path} can be read by others", remedy=f"chmod 600 {path}")
    secret = path.read_bytes()
    if len(secret) != _BYTES:
        raise ConfigError(f"{path} is damaged", remedy="delete it; visitors will get new tokens")
    return secret


def _create(path: Path) -> None:
    """Written aside and linked into place, so that two processes agree on one."""
    aside = path.with_name(f"secret.{secrets.token_hex(4)}")
    file = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(file, secrets.token_bytes(_BYTES))
        os.fsync(file)
        os.close(file)
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
