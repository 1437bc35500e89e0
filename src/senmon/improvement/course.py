"""Where an improvement stands: one small file per pack, so that a killed one can be gone on with."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from senmon.adapters import durable

STATE, HISTORY, LOCK = "state.json", "history.jsonl", ".lock"
#: `taking`: the pack's files are being written. `tuning`, `judging`: as named. The rest are ends; `promoted`
#: is watched until it is `kept` or `rolled back`.
Phase = Literal[
    "taking", "tuning", "judging", "refused", "ready", "promoted", "canary", "kept", "rolled back"
]
UNDER_WAY: tuple[Phase, ...] = ("taking", "tuning", "judging")
#: What is watched until it is `kept` or `rolled back`. `canary`: only a share of the conversations has it.
WATCHED: tuple[Phase, ...] = ("promoted", "canary")


class Course(BaseModel):
    """`version` is the candidate, `before` what was served when it was made (None: the bare base)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    pack: str
    phase: Phase = "taking"
    started: str = ""
    changed: str = ""
    added: int = 0
    reviewers: tuple[str, ...] = ()
    version: str | None = None
    before: str | None = None
    dataset_digest: str = ""
    reasons: tuple[str, ...] = ()
    regressions: dict[str, Any] = {}

    @property
    def under_way(self) -> bool:
        return self.phase in UNDER_WAY


def new_course(pack: str) -> Course:
    now = datetime.now(UTC)
    return Course(id=f"{now:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}", pack=pack, started=_moment())


def folder_of(home: Path, pack: str) -> Path:
    return home / "improve" / pack


def read_course(home: Path, pack: str) -> Course | None:
    """The newest improvement of a pack; None when there was none, or its file can't be read."""
    try:
        return Course.model_validate_json((folder_of(home, pack) / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError, ValidationError):
        return None


def history(home: Path, pack: str) -> tuple[dict[str, Any], ...]:
    """Every step of every improvement, the oldest first."""
    return durable.read_lines(folder_of(home, pack) / HISTORY)


def keep(home: Path, course: Course, **changes: Any) -> Course:
    """The course with `changes`, written down before it is gone on with."""
    made = course.model_copy(update={**changes, "changed": _moment()})
    folder = folder_of(home, course.pack)
    folder.mkdir(parents=True, exist_ok=True)
    if made.phase != course.phase or not course.changed:
        durable.append_line(folder / HISTORY, made.model_dump(mode="json"))
    durable.write_json(folder / STATE, made.model_dump(mode="json"))
    return made


def _moment() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
