"""Which packs' actions may run: the operator's word, bound to a digest of their code and their addresses.

A pack is data until its operator runs `senmon packs allow NAME`. A changed line of code asks again, and so
does another address, header or variable of an action that runs elsewhere. `--author` allows instead what a
trusted author signs from now on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Literal

from senmon.errors import ConfigError
from senmon.packs.atomic import locked_folder, replaced_file
from senmon.packs.authors import PUT_BACK, Authors
from senmon.packs.pack import Pack
from senmon.packs.reach import permission_digest

#: Begins a permission that names an author instead of a digest.
_AUTHOR = "author:"
CodeState = Literal["allowed", "changed", "not allowed", "no code"]
SHIPPED = "shipped.json"


class Permissions:
    """The permissions kept in `home` (`SENMON_HOME`), in one JSON file {pack name: digest}."""

    def __init__(self, home: Path) -> None:
        self.path = home / "permissions.json"
        self.authors = Authors(home)

    def state(self, pack: Pack) -> CodeState:
        """`changed`: another version was allowed, or no trusted author vouches for this one; `no code`: there
        is nothing to allow.

        Raises ConfigError when a file is broken.
        """
        digest = permission_digest(pack)
        if not digest:
            return "no code"
        granted = self._read().get(pack.name)
        if digest in (granted, shipped_digests().get(pack.name)):
            return "allowed"
        if granted and granted.startswith(_AUTHOR) and not self.fault(pack):
            with suppress(OSError):  # what can't be remembered is no reason to stop serving
                self.authors.see(pack)
            return "allowed"
        return "changed" if granted else "not allowed"

    def author(self, pack: Pack) -> str:
        """Whose signature the permission asks for; empty: it is bound to a digest, or there is none."""
        granted = self._read().get(pack.name, "")
        return granted.removeprefix(_AUTHOR) if granted.startswith(_AUTHOR) else ""

    def fault(self, pack: Pack) -> str:
        """Why the author of the permission does not vouch for this pack; empty: they do, or none is asked."""
        author = self.author(pack)
        return self.authors.fault(pack, author) if author else ""

    def allowed(self, pack: Pack) -> bool:
        return self.state(pack) in ("allowed", "no code")

    def allow(self, pack: Pack, author: str = "") -> None:
        """Allows exactly the code and the addresses that `pack` was loaded with; with `author`, this version
        and whatever they sign after it. Raises ConfigError when they do not vouch for this one."""
        if author:
            # An earlier version may be put back on purpose: here its operator says so.
            fault = self.authors.fault(pack, author, adapter=True)
            if fault and fault != PUT_BACK:
                raise ConfigError(f"{pack.name}: {fault}", remedy="senmon packs verify tells whose it is")
            self.authors.see(pack, again=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with locked_folder(self.path.parent):
            granted = {**self._read(), pack.name: f"{_AUTHOR}{author}" if author else permission_digest(pack)}
            with replaced_file(self.path) as file:
                file.write(json.dumps(granted, indent=2, sort_keys=True, ensure_ascii=False) + "\n")

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
    """Digests of the packs that come with senmon: these are allowed without asking."""
    return _digests(files("senmon.packs").joinpath(SHIPPED).read_bytes(), SHIPPED)


def write_shipped(packs: Iterable[Pack], path: Path | None = None) -> Path:
    """Rewrites `shipped.json` (in the source tree) from these packs; run it before a release.

    `write_shipped(discover([Path("domains")]).all_or_raise())`
    """
    target = path or Path(__file__).with_name(SHIPPED)
    digests = {pack.name: digest for pack in packs if (digest := permission_digest(pack))}
    with replaced_file(target) as file:
        file.write(json.dumps(digests, indent=2, sort_keys=True) + "\n")
    return target
