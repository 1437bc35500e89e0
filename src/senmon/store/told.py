"""All that a conversation's page shows, read at one moment: what happens later comes as an event."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from senmon.messages import Event
from senmon.store.handovers import handover_status
from senmon.store.journal import journal_events
from senmon.store.opinions import thumbs
from senmon.store.records import ConversationEvent, HandoverStatus, Rating, Run
from senmon.store.rows import one
from senmon.store.tables import conversation_ratings


@dataclass(frozen=True, slots=True)
class Told:
    """`runs` and `events` without replaced ones; `said` between the visitor and a person."""

    runs: tuple[Run, ...]
    events: tuple[Event, ...]
    said: tuple[ConversationEvent, ...]
    thumbs: dict[str, Rating]
    handover: HandoverStatus
    rated: bool
    last_event: int
    earlier: int = 0

    def after(self, earlier: int) -> Told:
        """When `earlier` runs were left out: without what people said before the others too."""
        if not earlier:
            return self
        begin = self.runs[0].created
        return replace(self, said=tuple(each for each in self.said if each.created >= begin), earlier=earlier)


async def read_beside(
    connection: AsyncConnection, conversation: str, visitor: str | None
) -> tuple[tuple[ConversationEvent, ...], dict[str, Rating], HandoverStatus, bool, int]:
    """What stands beside the runs; the thumbs are those of `visitor`."""
    journal = await journal_events(connection, conversation)
    rated = select(conversation_ratings.c.score).where(conversation_ratings.c.conversation == conversation)
    return (
        tuple(entry for entry in journal if entry.type == "message"),
        await thumbs(connection, conversation, visitor) if visitor is not None else {},
        await handover_status(connection, conversation),
        await one(connection, rated) is not None,
        journal[-1].seq if journal else 0,
    )
