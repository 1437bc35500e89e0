"""A conversation as its visitor sees it, from its events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby

from senmon.messages import Event
from senmon.server.schemas import Citation, PublicMessage
from senmon.store.records import Rating


def public_messages(events: Iterable[Event], ratings: Mapping[str, Rating]) -> list[PublicMessage]:
    """Two messages a run: what was asked and, once there is some, what was answered."""
    messages: list[PublicMessage] = []
    for run_id, run in groupby(events, key=lambda event: event.run_id):
        messages += _exchange(run_id, list(run), ratings.get(run_id))
    return messages


def _exchange(run_id: str, events: list[Event], rating: Rating | None) -> list[PublicMessage]:
    question = PublicMessage(role="user", content=asked(events), run_id=run_id)
    text = "".join(str(event.data.get("text", "")) for event in events if event.type == "delta").strip()
    if not text:
        return [question]
    answered = PublicMessage(
        role="assistant",
        content=text,
        run_id=run_id,
        pack=next((event.data.get("pack") for event in events if event.type == "route"), None),
        citations=[
            _citation(item) for event in events if event.type == "passages" for item in event.data["items"]
        ],
        rating=rating,
    )
    return [question, answered]


def asked(events: list[Event]) -> str:
    """The last message of the `run` event: an OpenAI client's history comes before it."""
    for event in events:
        if event.type == "run":
            return str(event.private["messages"][-1]["content"])
    return ""


def _citation(item: Mapping[str, object]) -> Citation:
    return Citation(id=str(item["id"]), title=str(item["title"]), url=str(item.get("url", "")))
