"""A stored conversation, exchange by exchange, as the model of one pack saw it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from senmon.messages import NOBODY, Conversation, Message
from senmon.store.exchanges import Exchange
from senmon.store.records import ConversationRecord
from senmon.store.store import Store


@dataclass(frozen=True, slots=True)
class Turn:
    """What one exchange added. `owner` is the pack that answered (empty: none did); `articles` are the ids of
    the passages that it was shown."""

    exchange: Exchange
    messages: tuple[Message, ...]
    owner: str
    articles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation up to now, and whose it is."""

    owner: ConversationRecord
    turns: tuple[Turn, ...]

    def turn(self, run: str) -> Turn:
        return next(turn for turn in self.turns if turn.exchange.run == run)

    def before(self, run: str) -> tuple[Turn, ...]:
        place = next(at for at, turn in enumerate(self.turns) if turn.exchange.run == run)
        return self.turns[:place]


async def read_talk(store: Store, conversation: str) -> Talk:
    """Raises RunNotFound when the conversation was erased."""
    owner = await store.reviews.owner(conversation)
    exchanges = await store.reviews.of_conversation(conversation)
    return Talk(owner, await _turns(store, conversation, {each.run: each for each in exchanges}))


async def _turns(store: Store, conversation: str, exchanges: Mapping[str, Exchange]) -> tuple[Turn, ...]:
    """By the fold that serves, so that the turns are what the model was given."""
    state, found, events = Conversation(id=conversation), [], await store.conversation_events(conversation)
    for run, exchange in exchanges.items():
        start, articles = len(state.messages), tuple[str, ...]()
        for event in events:
            if event.run_id != run:
                continue
            if event.type == "passages":
                articles = tuple(str(one.get("id", "")) for one in event.data.get("items", ()))
            state = state.apply(event)
        owner = state.owner if state.owner != NOBODY else ""
        found.append(Turn(exchange, state.messages[start:], owner, articles))
    return tuple(found)
