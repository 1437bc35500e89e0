"""Passwords: argon2id, with the parameters that argon2-cffi recommends (RFC 9106)."""

from __future__ import annotations

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from senmon.errors import ConfigError

SHORTEST, LONGEST = 10, 256
_HASHER = PasswordHasher()
#: Each hash takes 64 MiB: no more than so many at once.
_AT_ONCE = 2
#: Compared with when there is no account, so that the time taken doesn't tell.
_NOBODY = _HASHER.hash("nobody has this password")


def hashed(password: str, *names: str) -> str:
    """Raises ConfigError for a password that is too short, too long, or one of `names`."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise ConfigError(
            f"a password has {SHORTEST} to {LONGEST} characters",
            remedy="a few words are easy to keep in mind",
        )
    if password.lower() in {name.lower() for name in names} or len(set(password)) < 4:
        raise ConfigError("this password is easy to guess", remedy="a few words are easy to keep in mind")
    return _HASHER.hash(password.encode("utf-8", "surrogatepass"))


def matches(known: str | None, password: str) -> bool:
    """Takes as long when nothing is known."""
    try:
        right = _HASHER.verify(known or _NOBODY, password[:LONGEST].encode("utf-8", "surrogatepass"))
    except (Argon2Error, InvalidHashError):
        return False
    return right and known is not None


class Verifier:
    """Hashes beside the event loop, few at once."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def matches(self, known: str | None, password: str) -> bool:
        async with self._free:
            return await asyncio.to_thread(matches, known, password)

    async def hashed(self, password: str, *names: str) -> str:
        """Raises ConfigError."""
        async with self._free:
            return await asyncio.to_thread(hashed, password, *names)
