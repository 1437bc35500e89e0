"""Class codes: a code from the teacher and a nickname sign a pupil in, where no site can.

Codes are kept as keyed hashes in the database. Whoever has a code may take any nickname of the class: it
keeps pupils' records apart, it proves nothing. So a pupil's id begins with `class:`, which no customer that a
site has signed is ever given.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from senmon.errors import ConfigError, RateLimited, RequestInvalid, Unauthenticated
from senmon.messages import BY_CLASS_CODE
from senmon.packs.atomic import locked_folder
from senmon.store.class_codes import ClassCode, ClassCodes

#: Without letters that look like digits, and digits that look like letters.
ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
LENGTH, GROUP = 10, 5
MOST_CODES = 1000
OLD_FILE = "classes.json"
#: Wrong codes from one address until it has to wait, and for how long.
TRIES, WAIT = 20, 600.0
_MOST_ADDRESSES = 10_000
_CLASS = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_NICKNAME = re.compile(r"\w[\w .'-]{0,23}")


class ClassBook:
    """The class codes. A change by `senmon classes` counts at once, on every server."""

    def __init__(
        self, kept: ClassCodes, secret: bytes, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._kept = kept
        self._secret = secret
        self._clock = clock
        self._failures: OrderedDict[str, list[float]] = OrderedDict()

    async def codes(self) -> tuple[ClassCode, ...]:
        """Oldest first."""
        return await self._kept.all()

    async def add(self, klass: str, days: int) -> str:
        """A new code of the class: the only time that it can be read."""
        checked_name(klass)
        code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        now = self._clock()
        new = ClassCode(klass, self._digest(code), now, now + timedelta(days=days))
        await self._kept.add([new], most=MOST_CODES, now=now)
        return f"{code[:GROUP]}-{code[GROUP:]}"

    async def revoke(self, klass: str) -> int:
        """The number of codes of the class that are worth nothing any more."""
        return await self._kept.revoke(klass, self._clock())

    async def pupil(self, code: str, nickname: str, address: str) -> str:
        """The pupil's id, `class:7a/anna`. Raises Unauthenticated, RequestInvalid, RateLimited."""
        self._may_try(address)
        # Counted until it was right, so that tries side by side count too.
        failures, tried = self._failures.setdefault(address, []), time.monotonic()
        failures.append(tried)
        digest, now = self._digest(code), self._clock()
        # Every code is compared, so that the time taken does not say which one is near.
        found = [each for each in await self.codes() if hmac.compare_digest(each.digest, digest)]
        if not found or not found[0].good(now):
            raise Unauthenticated("this class code is unknown or has ended", remedy="ask your teacher for it")
        failures.remove(tried)
        return f"{BY_CLASS_CODE}{found[0].klass}/{plain_nickname(nickname)}"

    async def take_in(self, home: Path) -> int:
        """The codes of a release that kept them in `home/classes.json`; the file is set aside. How many.
        Raises ConfigError when it is broken."""
        path = home / OLD_FILE
        if not path.exists():
            return 0
        with locked_folder(home):
            try:
                read = [_old(each) for each in json.loads(path.read_text(encoding="utf-8"))]
            except FileNotFoundError:  # another server was faster
                return 0
            except (OSError, ValueError, TypeError, KeyError) as error:
                raise ConfigError(f"{path} is damaged", remedy="restore it, or delete it") from error
            await self._kept.add(read, most=MOST_CODES, now=self._clock())
            path.rename(path.with_name(f"{OLD_FILE}.taken-in"))
        return len(read)

    def _digest(self, code: str) -> str:
        plain = "".join(letter for letter in code.upper() if letter.isalnum())
        return hmac.digest(self._secret, f"class code\0{plain}".encode("utf-8", "replace"), "sha256").hex()

    def _may_try(self, address: str) -> None:
        now = time.monotonic()
        recent = [then for then in self._failures.pop(address, []) if now - then < WAIT]
        if recent:
            self._failures[address] = recent
        while len(self._failures) > _MOST_ADDRESSES:
            self._failures.popitem(last=False)
        if len(recent) >= TRIES:
            wait = WAIT - (now - recent[0])
            raise RateLimited("too many wrong class codes", retry_after=wait, remedy="wait some minutes")


def _old(entry: dict[str, str]) -> ClassCode:
    moments = (datetime.fromisoformat(entry[name]) for name in ("created", "expires"))
    return ClassCode(str(entry["klass"]), str(entry["digest"]), *moments)


def checked_name(klass: str) -> None:
    """Raises ConfigError for what can be no class."""
    if not _CLASS.fullmatch(klass):
        raise ConfigError(
            f"{klass[:40]!r} is no name of a class", remedy="small letters, digits and -, such as 7a"
        )


def plain_nickname(text: str) -> str:
    """As it is kept: NFKC, small letters, single spaces. Raises RequestInvalid."""
    name = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    if not _NICKNAME.fullmatch(name):
        raise RequestInvalid(
            "is no nickname", param="nickname", remedy="1 to 24 letters, digits, spaces, ', . or -"
        )
    return name
