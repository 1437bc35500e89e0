"""CLINC150 (Larson et al., EMNLP 2019) as its authors publish it: `data_full.json` and `domains.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from senmon.errors import ConfigError
from senmon.routing.routes import PackRoutes

SPLITS = ("train", "val", "test")
STRANGE = ("oos_train", "oos_val", "oos_test")
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Clinc:
    """`splits`: (text, intent) pairs; `strangers`: out-of-scope texts; `domain`: intent → domain."""

    splits: Mapping[str, tuple[Pair, ...]]
    strangers: Mapping[str, tuple[str, ...]]
    domain: Mapping[str, str]

    @classmethod
    def read(cls, data: Path) -> Clinc:
        """`data` is `data_full.json` or its folder; `domains.json` lies beside it. ConfigError says what is
        missing or of another shape."""
        file = data / "data_full.json" if data.is_dir() else data
        full, domains = _json(file), _json(file.with_name("domains.json"))
        try:
            domain = {str(intent): str(name) for name, intents in domains.items() for intent in intents}
            splits = {name: tuple((str(a), str(b)) for a, b in full[name]) for name in SPLITS}
            strangers = {name: tuple(str(text) for text, _ in full[name]) for name in STRANGE}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(
                f"{file}: not CLINC150's full form ({type(error).__name__}: {error})",
                remedy="take data_full.json and domains.json from the data set's repository",
            ) from error
        unknown = {intent for pairs in splits.values() for _, intent in pairs} - set(domain)
        if unknown or not all(splits.values()):
            what = f"intents without a domain: {', '.join(sorted(unknown)[:3])}" if unknown else "empty split"
            raise ConfigError(f"{file}: {what}", remedy="use the domains.json that belongs to it")
        return cls(splits, strangers, domain)

    def routes(self, pairs: Sequence[Pair]) -> tuple[PackRoutes, ...]:
        """One pack per domain."""
        packs: dict[str, list[Pair]] = {name: [] for name in sorted(set(self.domain.values()))}
        for text, intent in pairs:
            packs[self.domain[intent]].append((text, intent))
        return tuple(PackRoutes(name, name, tuple(mine)) for name, mine in packs.items())

    def few(self, each: int, seed: int) -> tuple[Pair, ...]:
        """`each` training examples of every intent, drawn by `seed`."""
        by_intent: dict[str, list[Pair]] = {}
        for pair in self.splits["train"]:
            by_intent.setdefault(pair[1], []).append(pair)
        numbers = np.random.default_rng(seed)
        return tuple(
            mine[at]
            for _, mine in sorted(by_intent.items())
            for at in sorted(numbers.permutation(len(mine))[:each].tolist())
        )


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}", remedy="give CLINC150's folder: --data FOLDER; nothing is downloaded"
        ) from error
    except ValueError as error:
        raise ConfigError(f"{path}: not JSON ({error})", remedy="take the file anew") from error
