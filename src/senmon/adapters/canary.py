"""A version on trial: a share of the conversations is answered by it, the same ones every time.

home/adapters/<pack>/canary.json   the version and its share; its beginning and end stand in history.jsonl
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from senmon.adapters import durable
from senmon.adapters.card import Adapter
from senmon.adapters.store import VERSION, AdapterStore, now
from senmon.errors import AdapterMismatch, AdapterNotFound

FILE = "canary.json"


class Canary(BaseModel):
    """`share` of a hundred conversations are answered by `version`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: str = Field(pattern=VERSION.pattern)
    share: int = Field(ge=1, le=99)
    time: str = ""


def read_canary(store: AdapterStore, pack: str) -> Canary | None:
    """None when no version is on trial, or the file can't be read: then everybody gets the promoted one."""
    try:
        return Canary.model_validate_json((store.folder / pack / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, ValidationError):
        return None


def begin_canary(
    store: AdapterStore, pack: str, version: str, share: int, *, reason: str, base_digest: str = ""
) -> Adapter:
    """Put a version on trial in the place of any other. Raises as `AdapterStore.promote` does."""
    adapter = store.get(pack, version)
    store.verify(adapter)
    if base_digest and adapter.card.base_digest != base_digest:
        raise AdapterMismatch(f"{adapter.label} was tuned for another base", remedy=f"senmon tune {pack}")
    made = Canary(version=adapter.version, share=share, time=now())
    with _writing(store, pack) as root:
        line = {"event": "canary", "version": made.version, "share": share, "reason": reason}
        durable.append_line(root / "history.jsonl", {**line, "before": None, "time": made.time})
        durable.write_json(root / FILE, made.model_dump(mode="json"))
    return adapter


def end_canary(store: AdapterStore, pack: str, *, reason: str, version: str = "") -> None:
    """Everybody gets the promoted one. AdapterNotFound when none (or not `version`) is on trial."""
    with _writing(store, pack) as root:
        found = read_canary(store, pack)
        if found is None or version not in ("", found.version):
            raise AdapterNotFound(f"{pack}: no such version is on trial")
        line = {"event": "canary ended", "version": found.version, "before": None, "reason": reason}
        durable.append_line(root / "history.jsonl", {**line, "time": now()})
        (root / FILE).unlink(missing_ok=True)


def chosen(conversation: str, version: str, share: int) -> bool:
    """Whether a conversation is one of the trial's: by hash, so always the same answer, in every process."""
    digest = hashlib.sha256(f"{version}:{conversation}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % 100 < share


@contextmanager
def _writing(store: AdapterStore, pack: str) -> Iterator[Path]:
    root = store.folder / pack
    with durable.locked(root):
        yield root
