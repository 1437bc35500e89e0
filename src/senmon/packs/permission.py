"""Which packs' Python may run: the operator's word, bound to the digest of the code.

A pack is data until its operator runs `senmon packs allow NAME`. A changed line of code asks again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Literal

from senmon.errors import ConfigError
from senmon.packs.atomic import replaced_file
from senmon.packs.pack import Pack

CodeState = Literal["allowed", "changed", "not allowed", "no code"]
SHIPPED = "shipped.json"


class Permissions:
    """The permissions kept in `home` (`SENMON_HOME`), in one JSON file {pack name: code digest}."""

    def __init__(self, home: Path) -> None:
        self.path = home / "permissions.json"

    def state(self, pack: Pack) -> CodeState:
        """`changed`: another version of its code was allowed. Raises ConfigError when the file is broken."""
        if not pack.code_digest:
            return "no code"
        granted = self._read().get(pack.name)
        if pack.code_digest in (granted, shipped_digests().get(pack.name)):
            return "allowed"
        return "changed" if granted else "not allowed"

    def allowed(self, pack: Pack) -> bool:
        return self.state(pack) in ("allowed", "no code")

    def allow(self, pack: Pack) -> None:
        """Allows exactly the code that `pack` was loaded with."""
        granted = {**self._read(), pack.name: pack.code_digest}
        with replaced_file(self.path) as file:
            file.write(json.dumps(granted, indent=2, sort_keys=True) + "\n")

    def _read(self) -> dict[str, str]:
        if not self.path.exists():
            return {}
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise ConfigError(
                f"{self.path} can't be read ({error.strerror})", remedy="give it to the user of the server"
            ) from error
        return _digests(data, str(self.path))


def _digests(data: bytes, place: str) -> dict[str, str]:
    try:
        value = json.loads(data)
        if isinstance(value, dict) and all(isinstance(digest, str) for digest in value.values()):
            return value
    except (ValueError, RecursionError):
        pass
    raise ConfigError(f"{place} is broken", remedy="delete it and allow the packs again")


def shipped_digests() -> Mapping[str, str]:
    """Code digests of the packs that come with senmon: these are allowed without asking."""
    return _digests(files("senmon.packs").joinpath(SHIPPED).read_bytes(), SHIPPED)


def write_shipped(packs: Iterable[Pack], path: Path | None = None) -> Path:
    """Rewrites `shipped.json` (in the source tree) from these packs; run it before a release.

    `write_shipped(discover([Path("domains")]).all_or_raise())`
    """
    target = path or Path(__file__).with_name(SHIPPED)
    digests = {pack.name: pack.code_digest for pack in packs if pack.code_digest}
    with replaced_file(target) as file:
        file.write(json.dumps(digests, indent=2, sort_keys=True) + "\n")
    return target
