"""What a message wants: its likely moves, whether it stands alone, what binds, and several wishes told apart.

The policy understands more words than a small model does, and a message by itself is often clearer than what
a talk before it makes of it. Where it is sure, and the pack allows (`context.bind`), its move is the one that
is made; the model still chooses the arguments and says the reply.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from senmon.assistant.candidates import matches_in
from senmon.assistant.window import turn_alone
from senmon.messages import CONTEXT, Message
from senmon.packs.manifest import ActionSpec, PackManifest
from senmon.policy.model import Policy, named
from senmon.policy.situation import ANSWER, REPLY, Situation, situation
from senmon.rendering import context_message
from senmon.routing.continuation import continuation, refers_back

Moves: TypeAlias = tuple[str, ...]
Specs: TypeAlias = tuple[ActionSpec, ...]
#: Share from which on a message that needs nothing said before it counts as clear by itself.
CLEAR = 0.7
#: More than so many wishes in one message are left to the model.
MOST_PARTS = 3
#: What opens a sentence without being a part of what it wants.
_OPENING = re.compile(
    r"^(?:(?:and|also|plus|then|but|so|ok|okay|well|right|thanks|thank you|by the way|btw|no|nope|sorry"
    r"|actually|i mean|i meant|oh|hey|hi|hello)\b[\s,.!:;-]*)+",
    re.IGNORECASE,
)
_MAY_STAND = (None, "a correction")
_DIGITS = re.compile(r"\d{3}")
_POINTS = re.compile(r"\b(?:it|its|it's|that|this|these|those|them|they|one|there|same)\b", re.IGNORECASE)
_BETWEEN = re.compile(r"(?<=[.?!;])\s+|\s*\n+\s*|,?\s+(?:and|also|plus|then|&)\s+(?:also\s+)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a message, or a `part` of it, wants. `alone`: it is answered without the turns before it. `bound`:
    the action that must come first, or `answer`; empty: the model decides. `taking`: the actions that can
    take a number or id said here for the first time; one of them must come first, as nothing known so far is
    about it."""

    text: str
    moves: Moves = ()
    alone: bool = False
    part: bool = False
    bound: str = ""
    taking: tuple[str, ...] = ()

    def offered(self, specs: Specs) -> tuple[Specs, bool]:
        """What may be called first, and whether it must."""
        if self.bound == ANSWER:
            return (), False
        names = (self.bound,) if self.bound else self.taking
        mine = tuple(spec for spec in specs if spec.name in names)
        return (mine, True) if mine else (specs, False)


def wishes(policy: Policy, manifest: PackManifest, messages: Sequence[Message]) -> tuple[Wish, ...]:
    """Of the last user message: the whole of it, or its parts where each says clearly what it wants."""
    here = situation(messages)
    parts = _parts(policy, manifest, here.text)
    return parts or (_whole(policy, manifest, here, _said(messages)),)


def _whole(policy: Policy, manifest: PackManifest, here: Situation, said: str) -> Wish:
    """A small model takes whatever follows a talk about an order for a part of it. So a message that says
    clearly by itself what it wants, and does not point back, is answered as if it came first."""
    own = _OPENING.sub("", here.text)
    follows = continuation(here.text)
    if manifest.context.alone and here.before and follows in _MAY_STAND and not _back(here.text, own):
        given = policy.probabilities(Situation(own))
        itself = named(given, CLEAR)
        if len(itself) == 1 and _complete(itself[0], manifest, own, corrects=follows is not None):
            return Wish(here.text, itself, alone=True, bound=_bound(given, manifest))
    given = policy.probabilities(here)
    taking = _taking(given, manifest, here, said)
    return Wish(here.text, named(given), bound=_bound(given, manifest), taking=taking)


def _said(messages: Sequence[Message]) -> str:
    """All that was said and found before the last user message."""
    last = max((at for at, each in enumerate(messages) if each.role == "user"), default=0)
    return "\n".join(each.content for each in messages[:last] if each.name != CONTEXT).casefold()


def _taking(
    given: Mapping[str, float], manifest: PackManifest, here: Situation, said: str
) -> tuple[str, ...]:
    """The actions that take a number or id which this message names first. Empty where there is none, nothing
    was said before, or the message more likely wants something else of it (an article, a person)."""
    if not here.before:
        return ()
    taking = tuple(
        spec.name
        for spec in manifest.actions.specs
        if any(
            _DIGITS.search(value) and value.casefold() not in said
            for value in _values(spec.name, manifest, here.text)
        )
    )
    likely = sum(share for move, share in given.items() if move.split()[0] in (*taking, REPLY))
    return taking if likely >= 0.5 else ()


def _called(message: Message) -> bool:
    return message.role == "tool" and message.name != CONTEXT


def _back(text: str, own: str) -> bool:
    """Whether it points at what was said; after an opening word any such pointer counts."""
    return refers_back(own) or (refers_back(text) and bool(_POINTS.search(own)))


def _complete(move: str, manifest: PackManifest, text: str, *, corrects: bool) -> bool:
    """Whether a move needs nothing said before: all its candidates are here, or by the pack's word, which
    does not hold for a correction."""
    name = move.split()[0]
    return (name in manifest.context.alone and not corrects) or bool(_values(name, manifest, text))


def _values(name: str, manifest: PackManifest, text: str) -> tuple[str, ...]:
    """The candidates of an action's arguments in `text`; none where one lacks its own."""
    spec = next((each for each in manifest.actions.specs if each.name == name), None)
    found = [matches_in(pattern, text) for pattern in spec.candidates.values()] if spec else []
    return tuple(value for values in found for value in values) if all(found) else ()


def _bound(given: Mapping[str, float], manifest: PackManifest) -> str:
    least = manifest.context.bind
    shares: dict[str, float] = {}
    for move, share in given.items():
        name = move.split()[0]
        shares[name] = shares.get(name, 0.0) + share
    best = max(shares, key=lambda name: shares[name])
    return best if least and shares[best] >= least and best != REPLY else ""


def _parts(policy: Policy, manifest: PackManifest, text: str) -> tuple[Wish, ...]:
    """`Cancel A1004 and tell me where A1001 is`: two wishes, each sure and each with its own value. Empty
    where there are not several such."""
    clauses = [each.strip() for each in _BETWEEN.split(text) if each.strip()]
    if not manifest.context.bind or not 2 <= len(clauses) <= MOST_PARTS:
        return ()
    names = [spec.name for spec in manifest.actions.specs]
    if any(not any(_values(name, manifest, each) for name in names) for each in clauses):
        return ()
    found: list[Wish] = []
    values: list[tuple[str, ...]] = []
    for clause in clauses:
        given = policy.probabilities(Situation(_OPENING.sub("", clause)))
        name = _bound(given, manifest)
        mine = _values(name, manifest, clause)
        if not mine or mine in values:
            return ()
        values.append(mine)
        found.append(Wish(clause, named(given), alone=True, part=True, bound=name))
    return tuple(found)


@dataclass
class Agenda:
    """The wishes of a turn, and the one at hand. Of a part the model sees nothing but that part, as a message
    of its own, and what was done for it."""

    wishes: tuple[Wish, ...] = (Wish(""),)
    wish: Wish = Wish("")
    #: Messages, and characters of the reply under way, that were there before this wish.
    messages: int = 0
    characters: int = 0

    @classmethod
    def of(cls, policy: Policy | None, manifest: PackManifest, messages: Sequence[Message]) -> Agenda:
        return cls(wishes(policy, manifest, messages)) if policy else cls()

    @property
    def moves(self) -> Moves:
        """What the message makes likely to begin with."""
        return self.wishes[0].moves

    def begin(self, wish: Wish, messages: Sequence[Message], pending: str) -> None:
        self.wish, self.messages, self.characters = wish, len(messages), len(pending.strip())

    def view(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """What the model sees of a conversation."""
        if not self.wish.part:
            return turn_alone(messages) if self.wish.alone else messages
        own = messages[self.messages :]
        if own:
            own = (replace(own[0], content=own[0].content[self.characters :].strip()), *own[1:])
        hint = context_message((), likely=self.wish.moves)
        return (Message("user", self.wish.text), *((hint,) if hint else ()), *own)

    def sources(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Where arguments may come from: a number named first in this message is the one that is meant, until
        something was called."""
        own = turn_alone(tuple(messages))
        return own[:1] if self.wish.taking and not any(_called(each) for each in own) else messages

    def released(self, messages: Sequence[Message], pending: str) -> str:
        """What of the reply under way the model goes on from: not what was said for the part before."""
        fresh = self.wish.part and len(messages) == self.messages
        return pending.strip()[self.characters :].lstrip() if fresh else pending.rstrip()
