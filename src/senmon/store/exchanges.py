"""One exchange as a reviewer sees it: what was asked and answered, how it went, what people thought of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from senmon.store.records import Channel, Feedback, RunState

ReviewKind = Literal["correct", "good", "reroute", "eval", "dismiss"]


@dataclass(frozen=True, slots=True)
class Review:
    """What a person decided about one exchange. `data` depends on the kind (`improvement.deciding`).

    `pack` should answer such a message (None: no pack). `used_by` is the improvement that took it.
    """

    run: str
    kind: ReviewKind
    pack: str | None
    data: Mapping[str, Any]
    reviewer: str
    note: str
    created: datetime
    used_by: str | None = None
    used: datetime | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """`text` was asked and `reply` answered. `route` and `provenance` are the data of those events.

    `verdicts` are the checks' failures with their reasons; `handed_over` is the reason for which a person was
    asked for (None: nobody was); `error` is the code of a turn that failed.
    """

    run: str
    conversation: str
    site: str
    channel: Channel
    number: int
    created: datetime
    state: RunState
    text: str = ""
    reply: str = ""
    route: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    verdicts: tuple[Mapping[str, str], ...] = ()
    handed_over: str | None = None
    error: str = ""
    feedback: tuple[Feedback, ...] = ()
    review: Review | None = None

    @property
    def pack(self) -> str | None:
        """The pack that answered."""
        found = self.route.get("pack")
        return found if isinstance(found, str) else None

    @property
    def adapter(self) -> str | None:
        """The first 12 digits of the adapter's version; None: the bare base, or no pack."""
        found = self.provenance.get("adapter")
        return found if isinstance(found, str) else None


def gathered(
    row: Mapping[str, Any],
    events: Sequence[Mapping[str, Any]],
    opinions: Sequence[Feedback],
    handed_over: str | None,
    review: Review | None,
) -> Exchange:
    """An exchange from a run's row (with its conversation's site and channel) and its events, in order."""
    found: dict[str, Any] = {"text": "", "reply": "", "error": "", "verdicts": []}
    for event in events:
        _take(found, event["type"], event["data"], event["private"])
    return Exchange(
        **{name: row[name] for name in ("conversation", "site", "channel", "number", "created", "state")},
        run=row["id"],
        text=found["text"],
        reply=found["reply"],
        route=found.get("route", {}),
        provenance=found.get("provenance", {}),
        verdicts=tuple(found["verdicts"]),
        handed_over=found.get("handoff", handed_over),
        error=found["error"],
        feedback=tuple(opinions),
        review=review,
    )


def _take(found: dict[str, Any], kind: str, data: Mapping[str, Any], private: Mapping[str, Any]) -> None:
    if kind == "run":
        said = [one.get("content", "") for one in private.get("messages", ()) if one.get("role") == "user"]
        found["text"] = str(said[-1]) if said else ""
    elif kind == "route":
        found["route"] = data
    elif kind == "verdict":
        verdict = {"check": str(data.get("check", "")), "outcome": str(data.get("outcome", ""))}
        found["verdicts"].append({**verdict, "reason": str(private.get("reason", ""))})
    elif kind == "handoff":
        found["handoff"] = str(data.get("reason", ""))
    elif kind == "error":
        found["error"] = str(data.get("code", "error"))
    elif kind == "done":
        found["reply"] = str(data.get("text", ""))
        found["provenance"] = data.get("provenance") or {}
