"""Mixed conversations with a known route for every turn, made from pieces by a seeded generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from senmon.evaluation.metrics import Metric, rate
from senmon.evaluation.router.material import Material
from senmon.routing.router import Router

DIALOGUES = 200
SEGMENTS = (1, 4)
#: How often a segment has a follow-up (tried twice), small talk, a trap that belongs where the talk is.
FOLLOW_UP, SMALL_TALK, TRAP = 0.5, 0.35, 0.35
_EARLIER = 3


@dataclass(frozen=True, slots=True)
class Said:
    """A message, the pack that should answer it, and what it is: opener, follow-up, small talk or trap.
    A trap may also end in nothing: only another pack is wrong."""

    text: str
    wanted: str
    kind: str

    def suits(self, pack: str | None) -> bool:
        return pack == self.wanted or (self.kind == "trap" and pack is None)


@dataclass(frozen=True, slots=True)
class Wrong:
    """A turn that went elsewhere than it should."""

    text: str
    kind: str
    wanted: str
    got: str | None
    was: str | None
    reason: str
    score: float
    margin: float


@dataclass(frozen=True, slots=True)
class DialogueReport:
    """`precision`: of the moves made, those that went where they should; `recall`: of the changes of subject,
    those that were followed at once; `wrong_switches`: moves to a wrong place, per 100 turns."""

    dialogues: int
    turns: int
    right: Metric
    precision: Metric | None
    recall: Metric | None
    wrong_switches: float
    wrong: tuple[Wrong, ...]


def generate(material: Material, count: int = DIALOGUES, seed: int = 0) -> tuple[tuple[Said, ...], ...]:
    """`count` conversations over the packs that have openers; none when there are none."""
    packs = sorted(name for name, texts in material.openers.items() if texts)
    numbers = np.random.default_rng(seed)
    return tuple(_dialogue(material, packs, numbers) for _ in range(count if packs else 0))


def _dialogue(material: Material, packs: Sequence[str], numbers: np.random.Generator) -> tuple[Said, ...]:
    said: list[Said] = []
    at = int(numbers.integers(len(packs)))
    for _ in range(int(numbers.integers(SEGMENTS[0], SEGMENTS[1] + 1))):
        said += _segment(material, packs[at], numbers)
        if len(packs) > 1:  # support → tutor → support: the next subject is another one
            at = (at + int(numbers.integers(1, len(packs)))) % len(packs)
    return tuple(said)


def _segment(material: Material, pack: str, numbers: np.random.Generator) -> list[Said]:
    def one(texts: Sequence[str]) -> str:
        return texts[int(numbers.integers(len(texts)))]

    said = [Said(one(material.openers[pack]), pack, "opener")]
    for _ in range(2):
        if material.follow_ups[pack] and numbers.random() < FOLLOW_UP:
            said.append(Said(one(material.follow_ups[pack]), pack, "follow-up"))
    if numbers.random() < SMALL_TALK:
        said.append(Said(one(material.small_talk), pack, "small talk"))
    if material.traps.get(pack) and numbers.random() < TRAP:
        said.append(Said(one(material.traps[pack]), pack, "trap"))
    return said


def judge(router: Router, dialogues: Sequence[Sequence[Said]]) -> DialogueReport:
    """Route every turn as the assistant does: knowing the last routed turn's pack and what was said to it."""
    moves = good = changes = followed = turns = right = astray = 0
    wrong: list[Wrong] = []
    for dialogue in dialogues:
        current: str | None = None
        before: str | None = None
        earlier: list[str] = []
        for said in dialogue:
            choice = router.route(said.text, current, earlier[-_EARLIER:])
            correct = said.suits(choice.pack)
            moved = choice.pack != current
            turns, right = turns + 1, right + correct
            if current is not None and moved:
                moves, good = moves + 1, good + correct
                astray += not correct
            if before is not None and before != said.wanted:
                changes, followed = changes + 1, followed + correct
            if not correct:
                wrong.append(
                    Wrong(
                        said.text, said.kind, said.wanted, choice.pack, current,
                        choice.reason, choice.score, choice.margin,
                    )
                )  # fmt: skip
            earlier = [*earlier, said.text] if not moved else [said.text]
            current, before = choice.pack or current, said.wanted
    return DialogueReport(
        dialogues=len(dialogues),
        turns=turns,
        right=rate(right, max(turns, 1)),
        precision=rate(good, moves) if moves else None,
        recall=rate(followed, changes) if changes else None,
        wrong_switches=100 * astray / max(turns, 1),
        wrong=tuple(wrong),
    )
