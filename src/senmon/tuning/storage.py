"""Checkpoints in a place that several machines see: a folder, `s3://…`, whatever fsspec reaches.

    <address>/<pack>/<identity>/<sha256>.safetensors   a checkpoint, never written twice
    <address>/<pack>/<identity>/latest.json            names the newest two with size and sha256; written last

A checkpoint counts when `latest.json` names it and its bytes have that sha256: one half uploaded when its
process died is never chosen. Credentials come from the environment, as each file system reads them.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from senmon.errors import ConfigError, TuningError

LATEST = "latest.json"
KEPT = 2
NAME = re.compile(r"[0-9a-f]{64}\.safetensors")
MOST_WORDS = 300


@dataclass(frozen=True, slots=True)
class Stored:
    """A checkpoint in the storage, as `latest.json` says."""

    name: str
    size: int
    step: int

    @property
    def sha256(self) -> str:
        return self.name.split(".")[0]


class SharedStorage:
    """The checkpoints of one run: `identity` is the digest of all its inputs."""

    def __init__(self, address: str, pack: str, identity: str) -> None:
        self.address = checked_address(address)
        self._root = f"{self.address.rstrip('/')}/{pack}/{identity[:16]}"
        with self._told("reached"):
            self._files, self._folder = _file_system(self._root)

    def prepare(self) -> None:
        """Find out now whether it can be written, not after minutes of tuning. Raises TuningError."""
        with self._told("written"):
            self._files.makedirs(self._folder, exist_ok=True)
            probe = f"{self._folder}/probe-{uuid.uuid4().hex}"
            self._files.pipe_file(probe, b"senmon")
            self._files.rm_file(probe)

    def put(self, path: Path, step: int) -> None:
        """Upload a checkpoint, then name it the newest. Killed in between, the one before stays it."""
        digest = _sha256(path)
        with self._told("written"):
            kept = [one for one in self._stored() if one.sha256 != digest][: KEPT - 1]
            new = Stored(f"{digest}.safetensors", path.stat().st_size, step)
            draft = f"{self._folder}/.{uuid.uuid4().hex}.part"
            try:
                self._files.put_file(str(path), draft)
                self._files.mv(draft, f"{self._folder}/{new.name}")
            except BaseException:
                with suppress(Exception):
                    self._files.rm_file(draft)
                raise
            self._name([new, *kept])
        self._clear({one.name for one in (new, *kept)})

    def fetch(self, path: Path) -> int | None:
        """Download the newest whole checkpoint to `path`; its step, or None when there is none."""
        with self._told("read"):
            for one in self._stored():
                draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
                try:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    self._files.get_file(f"{self._folder}/{one.name}", str(draft))
                    if draft.stat().st_size == one.size and _sha256(draft) == one.sha256:
                        draft.replace(path)
                        return one.step
                except FileNotFoundError:
                    continue
                finally:
                    draft.unlink(missing_ok=True)
        return None

    def _stored(self) -> list[Stored]:
        try:
            data = json.loads(self._files.cat_file(f"{self._folder}/{LATEST}"))
            found = [Stored(str(e["name"]), int(e["size"]), int(e["step"])) for e in data["checkpoints"]]
            return [one for one in found if NAME.fullmatch(one.name)]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError):  # torn: as if there were none
            return []

    def _name(self, stored: list[Stored]) -> None:
        rows = [{"name": one.name, "size": one.size, "step": one.step} for one in stored]
        draft = f"{self._folder}/.{uuid.uuid4().hex}.json"
        self._files.pipe_file(draft, json.dumps({"checkpoints": rows}).encode())
        self._files.mv(draft, f"{self._folder}/{LATEST}")

    def _clear(self, kept: set[str]) -> None:
        with suppress(Exception):  # old checkpoints only take room
            for path in self._files.ls(self._folder, detail=False):
                name = str(path).rsplit("/", 1)[-1]
                if name.endswith(".safetensors") and name not in kept:
                    self._files.rm_file(path)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except ImportError as error:
            raise ConfigError(
                f"{self.address}: {error}", remedy="pip install 'senmon[s3]' for s3:// addresses"
            ) from error
        except (TuningError, ConfigError):
            raise
        except Exception as error:  # each file system has its own
            words = " ".join(str(error).split())[:MOST_WORDS] or "no reason given"
            raise TuningError(
                f"{self.address} can't be {what} ({type(error).__name__}: {words})",
                remedy="check the address, its permissions, free room and credentials in the environment; "
                "tuned again, it goes on from the last checkpoint",
            ) from error


def checked_address(address: str) -> str:
    """Raises ConfigError for an address that holds a password: it would stand in logs and process lists."""
    parts = urlsplit(address) if "://" in address else None
    if parts is not None and (parts.username or parts.password or parts.query):
        raise ConfigError(
            f"{parts.scheme}://…{parts.path}: the address holds credentials or options",
            remedy="put them into the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, …",
        )
    return address if parts is not None else str(Path(address).absolute())


def _file_system(root: str) -> tuple[Any, str]:
    import fsspec

    # Listings are never cached: other machines write here.
    options = {"use_listings_cache": False, "skip_instance_cache": True}
    files, folder = fsspec.core.url_to_fs(root, **options)
    return files, str(folder)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
