"""A conversation as its visitor sees it, from its events and its journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from senmon.messages import Event
from senmon.server.schemas import Author, Citation, Progress, PublicMessage
from senmon.store.records import ConversationEvent, Rating, Run

Persona = Callable[[str | None], str]


def public_messages(
    events: Iterable[Event],
    runs: Sequence[Run],
    said: Sequence[ConversationEvent],
    ratings: Mapping[str, Rating],
    persona: Persona,
) -> list[PublicMessage]:
    """Two messages a run (what was asked and, once there is some, what was answered), and between them
    what a person and the visitor told each other. `persona` names who speaks for a pack."""
    by_run = {run_id: list(each) for run_id, each in groupby(events, key=lambda event: event.run_id)}
    timed: list[tuple[datetime, int, list[PublicMessage]]] = [
        (run.created, run.number, _exchange(run, by_run[run.id], ratings.get(run.id), persona))
        for run in runs
        if run.id in by_run
    ]
    timed += [(each.created, each.seq, [_told(each)]) for each in said]
    timed.sort(key=lambda entry: entry[:2])
    return [message for _, _, messages in timed for message in messages]


def _exchange(run: Run, events: list[Event], rating: Rating | None, persona: Persona) -> list[PublicMessage]:
    visitor = Author(kind="visitor", name="")
    question = PublicMessage(
        role="user", text=asked(events), run_id=run.id, author=visitor, created_at=run.created
    )
    text = "".join(str(event.data.get("text", "")) for event in events if event.type == "delta").strip()
    if not text:
        return [question]
    pack = next((event.data.get("pack") for event in events if event.type == "route"), None)
    answered = PublicMessage(
        role="assistant",
        text=text,
        run_id=run.id,
        pack=pack,
        citations=_citations(events),
        author=Author(kind="bot", name=persona(pack)),
        feedback=rating,
        progress=_progress(events),
        created_at=run.finished or run.created,
    )
    return [question, answered]


def _citations(events: Sequence[Event]) -> list[Citation]:
    """What was looked up and, once the reply ended, what it rests on."""
    found = [item for event in events if event.type == "passages" for item in event.data["items"]]
    ends = [event.data["cited"] for event in events if event.type == "done" and "cited" in event.data]
    return [_citation(item) for item in found if not ends or item["id"] in ends[-1]]


def _progress(events: Iterable[Event]) -> Progress | None:
    found = [event.data["progress"] for event in events if event.data.get("progress")]
    return Progress(step=found[-1]["step"], of=found[-1]["of"]) if found else None


def _told(entry: ConversationEvent) -> PublicMessage:
    data = entry.data
    return PublicMessage(
        role=data["role"], text=data["text"], author=Author(**data["author"]), created_at=entry.created
    )


def with_persons_words(
    events: Sequence[Event], runs: Sequence[Run], said: Sequence[ConversationEvent]
) -> list[Event]:
    """The events, with what a person and the visitor told each other at its place: every pack sees it."""
    began = {run.id: run.created for run in runs}
    left, woven = list(said), list[Event]()
    for run_id, run in groupby(events, key=lambda event: event.run_id):
        earlier = [each for each in left if run_id in began and each.created < began[run_id]]
        left = left[len(earlier) :]
        woven += _words(earlier)
        woven += run
    return woven + _words(left)


def _words(said: Sequence[ConversationEvent]) -> list[Event]:
    """As the run of nobody: the fold takes the messages, and they belong to no pack."""
    if not said:
        return []
    messages = [{"role": each.data["role"], "content": each.data["text"]} for each in said]
    return [Event("run", {}, {"messages": messages})]


def asked(events: list[Event]) -> str:
    """The last message of the `run` event: an OpenAI client's history comes before it."""
    for event in events:
        if event.type == "run":
            return str(event.private["messages"][-1]["content"])
    return ""


def _citation(item: Mapping[str, Any]) -> Citation:
    return Citation(id=str(item["id"]), title=str(item["title"]), url=str(item.get("url", "")))
