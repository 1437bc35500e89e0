"""Signed packs: an author vouches for every file of a pack, an operator says whose word counts.

`signature.json` beside the manifest is a statement about the pack, and an Ed25519 signature (RFC 8032) of it.
Whoever changes a file, takes the signature away or puts an older signed version back has a pack that no key
vouches for.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from senmon.errors import ConfigError
from senmon.packs.atomic import replaced_file
from senmon.packs.inventory import SIGNATURE, take_inventory
from senmon.packs.pack import Pack

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

#: What is signed begins with this, so that no other signature of the key can stand for one of a pack.
_PURPOSE = b"senmon pack 1\n"
_PREFIX = "ed25519:"
#: A signature has a few hundred bytes; more is not one.
_MOST_BYTES = 16_384
_KEY_BYTES = 32


class Statement(BaseModel):
    """`digest` covers every file of the pack but its adapter, `adapter` the files of that (empty: none).
    `signed`: when, in seconds since 1970; a later one takes the place of an earlier one."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    pack: str = Field(max_length=64)
    version: str = Field(max_length=64)
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    adapter: str = Field(pattern=r"^([0-9a-f]{64})?$")
    signed: int = Field(ge=0, lt=2**53)

    def signed_bytes(self) -> bytes:
        text = json.dumps(self.model_dump(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return _PURPOSE + text.encode("ascii")


class Signature(BaseModel):
    """`key` is the public key, `signature` base64."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    statement: Statement
    key: str = Field(max_length=128)
    signature: str = Field(max_length=256)


def new_key(path: Path, passphrase: str = "") -> str:
    """Writes a private key (PEM) that only its owner can read; the public one as text. Raises ConfigError
    when the file is there."""
    from cryptography.hazmat.primitives import serialization as forms
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    locked = forms.BestAvailableEncryption(passphrase.encode()) if passphrase else forms.NoEncryption()
    text = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, locked)
    try:
        path.touch(mode=0o600, exist_ok=False)
    except FileExistsError as error:
        raise ConfigError(f"{path} is there already", remedy="name another file: keys are kept") from error
    path.write_bytes(text)
    return public_text(key)


def read_key(path: Path, passphrase: str = "") -> Ed25519PrivateKey:
    """Raises ConfigError when there is no key, or not with this passphrase."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(path.read_bytes(), passphrase.encode() if passphrase else None)
    except OSError as error:
        raise ConfigError(f"{path} can't be read ({error.strerror})", remedy="senmon packs keygen") from error
    except TypeError as error:
        raise ConfigError(f"{path} and the passphrase do not fit: one of them is missing") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(
            f"{path} is no private key, or the passphrase is wrong", remedy="senmon packs keygen"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path} is a key of another kind", remedy="senmon packs keygen makes Ed25519")
    return key


def is_locked(path: Path) -> bool:
    """Whether a private key asks for a passphrase."""
    try:
        return b"ENCRYPTED" in path.read_bytes()[:200]
    except OSError:
        return False


def public_text(key: Ed25519PrivateKey) -> str:
    """The public key as it is given to others."""
    return _PREFIX + base64.b64encode(key.public_key().public_bytes_raw()).decode("ascii")


def parse_public(text: str) -> str:
    """A public key in its one spelling. Raises ConfigError for anything else."""
    found = text.strip()
    try:
        raw = base64.b64decode(found.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not found.startswith(_PREFIX) or len(raw) != _KEY_BYTES:
        raise ConfigError(
            "that is no public key of a pack's author", remedy=f"it is one line, {_PREFIX} and 44 characters"
        )
    return _PREFIX + base64.b64encode(raw).decode("ascii")


def adapter_digest(pack: Pack) -> str:
    """Over the files of the released adapter; empty without one."""
    folder = pack.released_adapter
    return take_inventory(folder).digest() if folder.is_dir() else ""


def sign(pack: Pack, key: Ed25519PrivateKey) -> Signature:
    """Writes `signature.json` for the pack as it is. Later than every signature that it had."""
    former = read_signature(pack)
    signed = max(int(time.time()), former.statement.signed + 1 if former else 0)
    statement = Statement(
        pack=pack.name,
        version=pack.manifest.version,
        digest=pack.digest,
        adapter=adapter_digest(pack),
        signed=signed,
    )
    text = base64.b64encode(key.sign(statement.signed_bytes())).decode("ascii")
    made = Signature(statement=statement, key=public_text(key), signature=text)
    with replaced_file(pack.path / SIGNATURE) as file:
        file.write(json.dumps(made.model_dump(), indent=2, sort_keys=True) + "\n")
    return made


def read_signature(pack: Pack) -> Signature | None:
    """None when there is none, or nothing that could be one. Nothing of it is checked."""
    path = pack.path / SIGNATURE
    try:
        if path.is_symlink() or not path.is_file():
            return None
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        return Signature.model_validate_json(data) if len(data) <= _MOST_BYTES else None
    except (OSError, ValidationError, ValueError):
        return None


def fault_of(pack: Pack, found: Signature, *, adapter: bool = False) -> str:
    """Why a signature does not vouch for this pack; empty when it does. Whose key it is, is another question.

    `adapter`: the released adapter too, which is megabytes to read.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    statement = found.statement
    try:
        raw = base64.b64decode(parse_public(found.key).removeprefix(_PREFIX))
        given = base64.b64decode(found.signature, validate=True)
        Ed25519PublicKey.from_public_bytes(raw).verify(given, statement.signed_bytes())
    except (InvalidSignature, ConfigError, ValueError):
        return "the signature is not one of its key"
    if statement.pack != pack.name:
        return f"the signature is one of {statement.pack}"
    if (statement.digest, statement.version) != (pack.digest, pack.manifest.version):
        return "the pack was changed after it was signed"
    if adapter and statement.adapter != adapter_digest(pack):
        return "the adapter was changed after the pack was signed"
    return ""
