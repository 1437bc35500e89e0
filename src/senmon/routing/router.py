"""Which pack answers a message, or *none*.

score(pack) = p(pack) · greatest cosine with the pack's examples, where p(pack) sums the intents of a logistic
regression that also knows *none*. A pack answers at or above its calibrated threshold. Within a conversation
the pack stays: only a message that names a subject of its own can move it, and only with a clear margin.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from senmon.embedding import Encoder
from senmon.errors import RouterUnfit
from senmon.routing.artifact import RouterCard, read, write
from senmon.routing.continuation import A_VALUE, asks, calculates, continuation, refers_back
from senmon.routing.fitting import fit_model
from senmon.routing.model import Evidence, RouterModel
from senmon.routing.routes import PackRoutes, identities, router_key

__all__ = ["PackRoutes", "RouteChoice", "Router"]

#: How far another pack's score must lie above the current one's, ...
SWITCH_MARGIN = 0.15
#: ... where a lead of the messages just before counts too, the less the older, if this one leads by so much.
LEAST_LEAD = 0.05
FADING = 0.5
REMEMBERED = 3
#: A lead that moves even a message of values, where it asks for something or states a sum.
STRONG_LEAD = 0.3
#: p(none) from which a message that no pack wants ends the current pack's turn. Of the 200 strangers that
#: CLINC150 has for training and choosing, said after a turn of a shipped pack, 0.5 turned 62 % away, 0.2 does
#: 86 %; of the packs' own follow-ups it loses under 1 % more, nearly all of them off topic themselves.
NONE_CERTAIN = 0.2
#: Words alone bring no nearness: less of it already makes a first message strange.
NONE_SUSPECTED = 0.25
#: Shorter messages never end it: they rarely say enough.
NONE_WORDS = 3


@dataclass(frozen=True, slots=True)
class RouteChoice:
    """The pack that answers, or None. `score` and `margin` (over the next pack) are the chosen pack's, or the
    best pack's when none was chosen; `scores` has all packs'; `reason` says how it came about."""

    pack: str | None
    score: float
    margin: float
    intent: str | None
    scores: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    #: The likeliest (pack, intent) of all, whatever was chosen; two empty strings without packs.
    likeliest: tuple[str, str] = ("", "")


class Router:
    """Immutable and safe to share between threads. Make one with `fit` or `load`."""

    def __init__(self, model: RouterModel, card: RouterCard, encoder: Encoder | None) -> None:
        self._model = model
        self._card = card
        self._always = _always(card)
        self._encoder = encoder
        self._place = {pack: at for at, pack in enumerate(model.packs)}

    @property
    def degraded(self) -> str:
        """Empty, or why this router is weaker than it could be."""
        return (
            ""
            if self._encoder is not None
            else "no sentence encoder: messages are routed by their words only"
        )

    @property
    def packs(self) -> tuple[str, ...]:
        return self._model.packs

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Pack → score from which it answers."""
        return dict(zip(self._model.packs, self._model.thresholds, strict=True))

    # --- making

    @staticmethod
    def key(routes: Sequence[PackRoutes], encoder: Encoder | None) -> str:
        """Digest of everything that the fitted router depends on."""
        return router_key(routes, encoder.digest if encoder else "")

    @classmethod
    def fit(cls, routes: Sequence[PackRoutes], encoder: Encoder | None) -> Router:
        """Learn from the packs' examples. Without an encoder the router is `degraded`."""
        model = fit_model(routes, encoder)
        card = RouterCard(cls.key(routes, encoder), identities(routes), encoder.digest if encoder else "")
        return cls(model, card, encoder)

    def save(self, folder: Path) -> None:
        """Write `router.json` and one `.npz`, atomically."""
        write(folder, self._model, self._card)

    @classmethod
    def load(cls, folder: Path, encoder: Encoder | None, *, key: str | None = None) -> Router:
        """Raises RouterUnfit when it is damaged, is of another encoder or version, or has another key."""
        model, card = read(folder)
        if card.encoder != (encoder.digest if encoder else ""):
            raise RouterUnfit(f"the router in {folder} was made with another encoder", remedy="fit it again")
        if key is not None and key != card.key:
            raise RouterUnfit(f"the router in {folder} was made for other packs", remedy="fit it again")
        return cls(model, card, encoder)

    # --- routing

    def route(self, text: str, current: str | None = None, earlier: Sequence[str] = ()) -> RouteChoice:
        """The pack for `text`, said in a conversation that is with `current` (None: with none yet).

        `earlier` are the user's messages before it that `current` answered, oldest first: several that each
        lean a little towards another pack move the conversation there together.
        """
        evidence = self._model.evidence([text], self._encoder)[0]
        if current not in self._place:
            return self._choose(evidence)
        return self._within(text, evidence, self._place[current], tuple(earlier[-REMEMBERED:]))

    def route_many(self, texts: Sequence[str]) -> list[RouteChoice]:
        """Each text by itself, as a first message."""
        evidence = self._model.evidence(texts, self._encoder)
        return [self._choose(one) for one in evidence]

    def _choose(self, evidence: Evidence) -> RouteChoice:
        if not self._model.packs:
            return RouteChoice(None, 0.0, 0.0, None, {}, "no packs")
        best = int(np.argmax(evidence.scores))
        strange = self._encoder is None and evidence.none >= NONE_SUSPECTED
        if evidence.scores[best] < self._model.thresholds[best] or strange:
            return self._none(evidence, best, "nothing here answers that")
        return self._answer(evidence, best, "best score")

    def _within(self, text: str, evidence: Evidence, current: int, earlier: tuple[str, ...]) -> RouteChoice:
        """The choice inside a conversation: stay, unless the message clearly belongs elsewhere."""
        scores, thresholds = evidence.scores, self._model.thresholds
        best = int(np.argmax(scores))
        follows = continuation(text)
        lead = float(scores[best] - scores[current])
        new = follows == A_VALUE and lead >= STRONG_LEAD and (asks(text) or calculates(text))
        if follows and not new:
            return self._answer(evidence, current, follows)
        if (intent := self._never_switching(evidence)) is not None:
            return self._answer(evidence, current, f"{intent} never switches")
        if best != current and self._moves(evidence, current, best, earlier):
            return self._answer(evidence, best, f"switched from {self._model.packs[current]}")
        leaves = evidence.none >= NONE_CERTAIN and len(text.split()) >= NONE_WORDS
        if (
            leaves
            and not refers_back(text)
            and all(score < least for score, least in zip(scores, thresholds, strict=True))
        ):
            return self._none(evidence, current, "nothing here answers that")
        return self._answer(evidence, current, "stayed")

    def _moves(self, evidence: Evidence, current: int, best: int, earlier: tuple[str, ...]) -> bool:
        """Whether `best` takes over: by a clear lead now, or by leads over several messages."""
        lead = float(evidence.scores[best] - evidence.scores[current])
        if evidence.scores[best] < self._model.thresholds[best] or lead < LEAST_LEAD:
            return False
        weight = 1.0
        for text in reversed(earlier if lead < SWITCH_MARGIN else ()):
            weight *= FADING
            if continuation(text):
                continue
            before = self._model.evidence([text], self._encoder)[0].scores
            lead += weight * float(before[best] - before[current])
        return lead >= SWITCH_MARGIN

    def _never_switching(self, evidence: Evidence) -> str | None:
        """The likeliest intent of any pack, where it is one that never switches and likelier than *none*."""
        pack, intent = self._likeliest(evidence)
        known = evidence.none <= float(evidence.intents[1:].max(initial=0.0))
        return intent if known and intent in self._always.get(pack, ()) else None

    def _answer(self, evidence: Evidence, pack: int, reason: str) -> RouteChoice:
        mine = [at for at, (owner, _) in enumerate(self._model.intents) if owner == pack]
        intent = (
            self._model.intents[max(mine, key=lambda at: float(evidence.intents[at]))][1] if mine else None
        )
        return self._choice(evidence, pack, self._model.packs[pack], intent, reason)

    def _none(self, evidence: Evidence, best: int, reason: str) -> RouteChoice:
        return self._choice(evidence, best, None, None, reason)

    def _choice(
        self, evidence: Evidence, at: int, pack: str | None, intent: str | None, reason: str
    ) -> RouteChoice:
        score = float(evidence.scores[at])
        others = np.delete(evidence.scores, at)
        margin = score - (float(others.max()) if len(others) else 0.0)
        scores = {name: float(value) for name, value in zip(self._model.packs, evidence.scores, strict=True)}
        return RouteChoice(pack, score, margin, intent, scores, reason, self._likeliest(evidence))

    def _likeliest(self, evidence: Evidence) -> tuple[str, str]:
        if len(self._model.intents) < 2:
            return ("", "")
        pack, intent = self._model.intents[int(np.argmax(evidence.intents[1:])) + 1]
        return (self._model.packs[pack], intent)


def _always(card: RouterCard) -> dict[str, frozenset[str]]:
    return {pack: frozenset(json.loads(intents)) for pack, _, _, intents, _ in card.identities}
