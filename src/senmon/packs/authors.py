"""Whose signatures count: names that the operator gave, and their public keys; what was seen of each pack."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from senmon.errors import ConfigError
from senmon.packs.atomic import locked_folder, replaced_file
from senmon.packs.pack import Pack
from senmon.packs.signature import Signature, fault_of, parse_public, read_signature

MAX_NAME = 60
PUT_BACK = "a newer version of it was here, this one was put back"


class Authors:
    """Kept in `home` (`SENMON_HOME`): `authors.json` {name: [public keys]} and `signed.json`, the newest
    signature that counted of each pack."""

    def __init__(self, home: Path) -> None:
        self._keys, self._seen = home / "authors.json", home / "signed.json"

    def keys(self) -> Mapping[str, tuple[str, ...]]:
        """Name → public keys. Raises ConfigError when the file is broken."""
        return {name: tuple(keys) for name, keys in _read(self._keys, list).items()}

    def trust(self, name: str, key: str) -> None:
        """One more key of `name`, so that an author can change keys. Raises ConfigError."""
        if not (0 < len(name) <= MAX_NAME and name.isprintable() and name.strip() == name):
            raise ConfigError(f"a name of an author has 1 to {MAX_NAME} printable characters")
        public = parse_public(key)
        with self._changing():
            known = {each: list(keys) for each, keys in self.keys().items()}
            known[name] = list(dict.fromkeys([*known.get(name, []), public]))
            _write(self._keys, known)

    def distrust(self, name: str, key: str = "") -> None:
        """All keys of `name`, or one: nothing that they signed counts any more. ConfigError: unknown."""
        public = parse_public(key) if key else ""
        with self._changing():
            known = {each: list(keys) for each, keys in self.keys().items()}
            if name not in known or (public and public not in known[name]):
                raise ConfigError(
                    f"{name} has no such key here" if name in known else f"nobody is known as {name}",
                    remedy="senmon packs authors",
                )
            left = [each for each in known.pop(name) if public and each != public]
            _write(self._keys, {**known, **({name: left} if left else {})})

    def fault(self, pack: Pack, name: str, *, adapter: bool = False) -> str:
        """Why `name` does not vouch for this pack as it is; empty when they do."""
        found = read_signature(pack)
        if found is None:
            return "it is not signed"
        keys = self.keys().get(name, ())
        if not keys:
            return f"no key of {name} is trusted"
        if found.key not in keys:
            return f"it is signed with a key that is not one of {name}"
        return fault_of(pack, found, adapter=adapter) or self._older(pack, found)

    def signer(self, pack: Pack) -> str:
        """Which trusted author has the key of the signature (empty: nobody). It may still be wrong."""
        found = read_signature(pack)
        return next((name for name, keys in self.keys().items() if found and found.key in keys), "")

    def see(self, pack: Pack, *, again: bool = False) -> None:
        """Remember the signature, so that no earlier one counts from now on. `again`: also an earlier one."""
        found = read_signature(pack)
        if found is None or (not again and self._mark(pack.name) == _mark_of(found)):
            return
        with self._changing():
            if again or found.statement.signed > self._mark(pack.name).get("signed", -1):
                _write(self._seen, {**_read(self._seen, dict), pack.name: _mark_of(found)})

    def _older(self, pack: Pack, found: Signature) -> str:
        mark, mine = self._mark(pack.name), _mark_of(found)
        if mark == mine or mine["signed"] > mark.get("signed", -1):
            return ""
        return PUT_BACK

    def _mark(self, pack: str) -> dict[str, Any]:
        mark = _read(self._seen, dict).get(pack, {})
        if mark and not isinstance(mark.get("signed"), int):
            raise _broken(self._seen)
        return dict(mark)

    def _changing(self) -> Any:
        self._keys.parent.mkdir(parents=True, exist_ok=True)
        return locked_folder(self._keys.parent)


def _mark_of(found: Signature) -> dict[str, Any]:
    return {"signed": found.statement.signed, "digest": found.statement.digest}


def _read(path: Path, kind: type) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(
            f"{path} can't be read ({error.strerror})", remedy="give it to the user of the server"
        ) from error
    except (ValueError, RecursionError) as error:
        raise _broken(path) from error
    if not isinstance(value, dict) or not all(isinstance(each, kind) for each in value.values()):
        raise _broken(path)
    if kind is list and not all(isinstance(one, str) for each in value.values() for one in each):
        raise _broken(path)
    return value


def _broken(path: Path) -> ConfigError:
    return ConfigError(
        f"{path} is broken", remedy="delete it, then say again whom you trust and what is allowed"
    )


def _write(path: Path, value: Mapping[str, Any]) -> None:
    with replaced_file(path) as file:
        file.write(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
