"""`senmon eval router`: thresholds, promised and achieved rates, confusion, misroutes, conversations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from senmon.evaluation.metrics import Metric, rate
from senmon.evaluation.router.dialogues import DialogueReport, generate, judge
from senmon.evaluation.router.material import Asked, Material
from senmon.routing.router import RouteChoice, Router

NOBODY = "none"


@dataclass(frozen=True, slots=True)
class Misroute:
    """A first message that went elsewhere than it should."""

    text: str
    kind: str
    wanted: str
    got: str
    score: float
    margin: float


@dataclass(frozen=True, slots=True)
class PackFigures:
    """`achieved`: share of the pack's unseen requests that it answers, neither another pack nor none; None
    without any."""

    threshold: float
    promised: float
    achieved: Metric | None


@dataclass(frozen=True, slots=True)
class RouterReport:
    """`confusion[i][j]`: unseen messages of `names[i]` that went to `names[j]`; the last name is none.

    `auroc`: the chance that a message meant for a pack scores above a stranger."""

    packs: Mapping[str, PackFigures]
    names: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    kinds: Mapping[str, Metric]
    auroc: float | None
    misroutes: tuple[Misroute, ...]
    dialogues: DialogueReport | None

    def to_json(self) -> dict[str, Any]:
        data = asdict(self)
        data["kinds"] = {name: metric.to_json() for name, metric in self.kinds.items()}
        return data


def evaluate_router(
    router: Router, material: Material, promises: Mapping[str, float], *, dialogues: int = 200, seed: int = 0
) -> RouterReport:
    """Ask everything; the router must not have learnt any of it (`gather` sees to that)."""
    choices = router.route_many([one.text for one in material.asked])
    pairs = list(zip(material.asked, choices, strict=True))
    names = (*router.packs, NOBODY)
    talks = generate(material, dialogues, seed)
    return RouterReport(
        packs={name: _figures(name, router, promises, pairs) for name in router.packs},
        names=names,
        confusion=_confusion(names, pairs),
        kinds=_kinds(pairs),
        auroc=_auroc(pairs),
        misroutes=tuple(_misroute(one, choice) for one, choice in pairs if not suits(one, choice)),
        dialogues=judge(router, talks) if talks else None,
    )


def suits(asked: Asked, choice: RouteChoice) -> bool:
    return choice.pack != asked.only_not if asked.only_not else choice.pack == asked.wanted


def _figures(
    name: str, router: Router, promises: Mapping[str, float], pairs: Sequence[tuple[Asked, RouteChoice]]
) -> PackFigures:
    mine = [choice for one, choice in pairs if one.wanted == name and one.kind == "held out"]
    answered = sum(choice.pack == name for choice in mine)
    return PackFigures(router.thresholds[name], promises[name], rate(answered, len(mine)) if mine else None)


def _confusion(
    names: Sequence[str], pairs: Sequence[tuple[Asked, RouteChoice]]
) -> tuple[tuple[int, ...], ...]:
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    place = {name: at for at, name in enumerate(names)}
    for one, choice in pairs:
        if not one.only_not and (one.wanted or NOBODY) in place:
            counts[place[one.wanted or NOBODY], place[choice.pack or NOBODY]] += 1
    return tuple(tuple(int(count) for count in row) for row in counts)


def _kinds(pairs: Sequence[tuple[Asked, RouteChoice]]) -> dict[str, Metric]:
    """The share that went right, by kind of message."""
    kinds = dict.fromkeys(one.kind for one, _ in pairs)
    right = {kind: [suits(one, choice) for one, choice in pairs if one.kind == kind] for kind in kinds}
    return {kind: rate(sum(hits), len(hits)) for kind, hits in right.items()}


def _auroc(pairs: Sequence[tuple[Asked, RouteChoice]]) -> float | None:
    def best(wanted: bool) -> list[float]:
        chosen = [c for one, c in pairs if not one.only_not and (one.wanted is not None) == wanted]
        return [max(choice.scores.values(), default=0.0) for choice in chosen]

    inside, outside = best(True), best(False)
    return auroc(inside, outside) if inside and outside else None


def auroc(inside: Sequence[float], outside: Sequence[float]) -> float:
    """The chance that one of `inside` lies above one of `outside`; ties count half (Mann & Whitney 1947)."""
    ordered = np.sort(np.asarray(outside, dtype=np.float64))
    below = np.searchsorted(ordered, inside, side="left")
    upto = np.searchsorted(ordered, inside, side="right")
    return float((below + upto).mean() / 2 / len(ordered))


def _misroute(asked: Asked, choice: RouteChoice) -> Misroute:
    wanted = f"not {asked.only_not}" if asked.only_not else asked.wanted or NOBODY
    return Misroute(
        asked.text, asked.kind, wanted, choice.pack or NOBODY, round(choice.score, 4), round(choice.margin, 4)
    )
