"""Class codes: a code from the teacher and a nickname sign a pupil in, where no site can.

Codes are kept as keyed hashes in `SENMON_HOME/classes.json`. Whoever has a code may take any nickname of the
class: it keeps pupils' records apart, it proves nothing. So a pupil's id begins with `class:`, which no
customer that a site has signed is ever given.
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
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from senmon.errors import ConfigError, RateLimited, RequestInvalid, Unauthenticated
from senmon.messages import BY_CLASS_CODE
from senmon.packs.atomic import locked_folder, replaced_file

#: Without letters that look like digits, and digits that look like letters.
ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
LENGTH, GROUP = 10, 5
MOST_CODES = 1000
#: Wrong codes from one address until it has to wait, and for how long.
TRIES, WAIT = 20, 600.0
_MOST_ADDRESSES = 10_000
_CLASS = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_NICKNAME = re.compile(r"\w[\w .'-]{0,23}")


@dataclass(frozen=True, slots=True)
class ClassCode:
    """`klass` is the class's name. Moments are ISO 8601, in UTC."""

    klass: str
    digest: str
    created: str
    expires: str

    def good(self, now: datetime) -> bool:
        return datetime.fromisoformat(self.expires) > now


class ClassBook:
    """The class codes of this server. A change by `senmon classes` counts at once."""

    def __init__(
        self, home: Path, secret: bytes, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.path = home / "classes.json"
        self._secret = secret
        self._clock = clock
        self._failures: OrderedDict[str, list[float]] = OrderedDict()

    def codes(self) -> tuple[ClassCode, ...]:
        """Oldest first. Raises ConfigError when the file is broken."""
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            return tuple(ClassCode(**each) for each in found)
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(f"{self.path} is damaged", remedy="restore it, or delete it") from error

    def add(self, klass: str, days: int) -> str:
        """A new code of the class: the only time that it can be read."""
        if not _CLASS.fullmatch(klass):
            raise ConfigError(
                f"{klass[:40]!r} is no name of a class", remedy="small letters, digits and -, such as 7a"
            )
        code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        now = self._clock()
        new = ClassCode(klass, self._digest(code), now.isoformat(), (now + timedelta(days=days)).isoformat())
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with locked_folder(self.path.parent):
            good = [each for each in self.codes() if each.good(now)]
            self._write([*good[-MOST_CODES + 1 :], new])
        return f"{code[:GROUP]}-{code[GROUP:]}"

    def revoke(self, klass: str) -> int:
        """The number of codes of the class that are worth nothing any more."""
        now = self._clock()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with locked_folder(self.path.parent):
            kept = self.codes()
            ended = {each.digest for each in kept if each.klass == klass and each.good(now)}
            self._write([each for each in kept if each.digest not in ended])
        return len(ended)

    def pupil(self, code: str, nickname: str, address: str) -> str:
        """The pupil's id, `class:7a/anna`. Raises Unauthenticated, RequestInvalid, RateLimited."""
        self._may_try(address)
        digest, now = self._digest(code), self._clock()
        # Every code is compared, so that the time taken does not say which one is near.
        found = [each for each in self.codes() if hmac.compare_digest(each.digest, digest)]
        if not found or not found[0].good(now):
            self._failures.setdefault(address, []).append(time.monotonic())
            raise Unauthenticated("this class code is unknown or has ended", remedy="ask your teacher for it")
        return f"{BY_CLASS_CODE}{found[0].klass}/{plain_nickname(nickname)}"

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

    def _write(self, codes: list[ClassCode]) -> None:
        with replaced_file(self.path) as file:
            file.write(json.dumps([asdict(each) for each in codes], indent=1) + "\n")


def plain_nickname(text: str) -> str:
    """As it is kept: NFKC, small letters, single spaces. Raises RequestInvalid."""
    name = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    if not _NICKNAME.fullmatch(name):
        raise RequestInvalid(
            "is no nickname", param="nickname", remedy="1 to 24 letters, digits, spaces, ', . or -"
        )
    return name
