"""What the router is asked when it is judged: requests that it did not learn, traps and strangers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from senmon.dataset.example import Dataset
from senmon.evaluation.suite import RouteExpectation, load_suites
from senmon.packs.pack import Pack
from senmon.routing.features import plain


@dataclass(frozen=True, slots=True)
class Asked:
    """A first message. `wanted`: the pack that should answer, or None; with `only_not` any pack but that one
    will do (a suite knows what its own pack must not get, and nothing of the others)."""

    text: str
    wanted: str | None
    kind: str
    only_not: str | None = None


@dataclass(frozen=True, slots=True)
class Material:
    """Everything to ask: first messages, and the pieces of conversations per pack."""

    asked: tuple[Asked, ...]
    openers: Mapping[str, tuple[str, ...]]
    follow_ups: Mapping[str, tuple[str, ...]]
    traps: Mapping[str, tuple[str, ...]]
    small_talk: tuple[str, ...]


def written_pieces() -> dict[str, Any]:
    """The hand-written part."""
    text = files("senmon.evaluation.router").joinpath("pieces.json").read_text(encoding="utf-8")
    pieces: dict[str, Any] = json.loads(text)
    return pieces


def gather(packs: Sequence[tuple[Pack, Dataset]]) -> Material:
    """From each pack's held-out examples and suites, and from what is written for the packs that are there.

    A request that also occurs in training (of any pack) is left out: it would prove nothing.
    """
    pieces = written_pieces()
    learnt = {plain(example.request) for _, dataset in packs for example in dataset.split("train")}
    learnt |= {plain(text) for pack, _ in packs for text, _ in pack.requests}
    learnt |= {plain(text) for pack, _ in packs for text in pack.negatives}
    asked: list[Asked] = [Asked(text, None, "stranger") for text in pieces["strangers"]]
    openers: dict[str, tuple[str, ...]] = {}
    follow_ups: dict[str, tuple[str, ...]] = {}
    for pack, dataset in packs:
        asked += _suite_items(pack)
        held_out = [*dataset.split("valid"), *dataset.split("test")]
        requests = [one for one in held_out if plain(one.request) not in learnt]
        always = set(pack.manifest.routing.always)
        own = [one.request for one in requests if one.intent not in always]
        asked += [Asked(text, pack.name, "held out") for text in dict.fromkeys(own)]
        skipped = always | set(pieces["skipped_intents"].get(pack.name, ()))
        clear = [one.request for one in requests if one.intent not in skipped]
        openers[pack.name] = tuple(dict.fromkeys(clear))
        talk = [one for one in held_out if one.intent not in skipped]
        later = [message.content for one in talk for message in one.messages if message.role == "user"]
        firsts = {one.request for one in held_out}
        follow_ups[pack.name] = tuple(dict.fromkeys(text for text in later if text not in firsts))
    names = {pack.name for pack, _ in packs}
    whole = names >= {trap["pack"] for trap in pieces["traps"]}  # a trap is one only where both packs are
    traps = {
        name: tuple(one["text"] for one in pieces["traps"] if whole and one["pack"] == name) for name in names
    }
    asked += [Asked(one["text"], None, "trap", one["not"]) for one in pieces["traps"] if whole]
    unseen = tuple(one for one in asked if plain(one.text) not in learnt)
    return Material(unseen, openers, follow_ups, traps, tuple(pieces["small_talk"]))


def _suite_items(pack: Pack) -> list[Asked]:
    """Suite items that begin a conversation."""
    found = []
    for item in load_suites(pack):
        if len(item.messages) != 1:
            continue
        text = item.messages[0].content
        if isinstance(item.expect, RouteExpectation):
            foreign = item.expect.pack is None
            found.append(Asked(text, item.expect.pack, "suite", pack.name if foreign else None))
    return found
