"""Messages that went to the wrong pack, kept as data for the next router: `routing/corrections.jsonl`.

One JSON object a line: {"text", "pack": the right one or null, "was": the pack that answered or null,
"state": "proposed" | "accepted"}. What visitors send is proposed; only what an operator accepted is learnt,
so that nobody teaches the router by insisting.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from senmon.errors import DataInvalid, Problem
from senmon.routing.features import plain
from senmon.routing.routes import PackRoutes

FILE = Path("routing") / "corrections.jsonl"
MAX_TEXT = 1000
#: The file takes no more proposals beyond this: nobody fills the disk by complaining.
MAX_PROPOSED = 5000
_REMEDY = "mend or delete the line"


@dataclass(frozen=True, slots=True)
class Correction:
    """`pack` should have answered `text` (None: no pack), where `was` did (None: nobody, or not known)."""

    text: str
    pack: str | None
    was: str | None = None
    state: Literal["proposed", "accepted"] = "proposed"


def read_corrections(home: Path) -> tuple[Correction, ...]:
    """What is kept under `home`, in order. Raises DataInvalid with every line that can't be understood."""
    path = home / FILE
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return ()
    found: list[Correction] = []
    problems: list[Problem] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found.append(_correction(json.loads(line.decode("utf-8"))))
        except (ValueError, RecursionError) as error:
            problems.append(Problem(str(path), number, "", str(error)[:200], _REMEDY))
    if problems:
        raise DataInvalid(f"{path}: {len(problems)} unusable corrections", problems)
    return tuple(found)


def propose(home: Path, correction: Correction) -> bool:
    """Keep a correction unless it is kept already or too many wait; whether it was kept.

    An accepted one takes the place of a proposal of the same.
    """
    with _locked(home):
        known = read_corrections(home)
        same = [at for at, one in enumerate(known) if _key(one) == _key(correction)]
        if any(correction.state in ("proposed", known[at].state) for at in same):
            return False
        if correction.state == "proposed" and sum(one.state == "proposed" for one in known) >= MAX_PROPOSED:
            return False
        others = [one for at, one in enumerate(known) if at not in same]
        write_corrections(home, [*others, replace(correction, text=correction.text[:MAX_TEXT])])
    return True


def accept(home: Path, chosen: Iterable[int]) -> tuple[Correction, ...]:
    """Accept the corrections at these places (from 0); returns all of them."""
    places = set(chosen)
    with _locked(home):
        known = [
            replace(one, state="accepted") if at in places else one
            for at, one in enumerate(read_corrections(home))
        ]
        write_corrections(home, known)
    return tuple(known)


def drop(home: Path, chosen: Iterable[int]) -> tuple[Correction, ...]:
    """Forget the corrections at these places (from 0); returns those that are left."""
    places = set(chosen)
    with _locked(home):
        known = [one for at, one in enumerate(read_corrections(home)) if at not in places]
        write_corrections(home, known)
    return tuple(known)


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """One writer at a time: the server takes proposals while an operator decides."""
    path = (home / FILE).with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_corrections(home: Path, corrections: Sequence[Correction]) -> None:
    """Replace the file, atomically."""
    path = home / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in corrections)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def corrected(routes: Sequence[PackRoutes], corrections: Sequence[Correction]) -> tuple[PackRoutes, ...]:
    """The packs' routes with what was accepted: examples of the right pack, negatives of the wrong one.

    A later correction of the same message replaces an earlier one. Packs that are gone are passed over.
    """
    latest = {plain(one.text): one for one in corrections if one.state == "accepted"}
    return tuple(_with(one, tuple(latest.values())) for one in routes)


def _with(routes: PackRoutes, corrections: Sequence[Correction]) -> PackRoutes:
    mine = tuple(sorted({one.text for one in corrections if one.pack == routes.pack}))
    taken = {plain(one.text) for one in corrections}
    foreign = {one.text for one in corrections if one.pack is None and one.was == routes.pack}
    if not taken:
        return routes
    return replace(
        routes,
        examples=tuple(pair for pair in routes.examples if plain(pair[0]) not in taken),
        negatives=tuple(text for text in routes.negatives if plain(text) not in taken),
        corrections=mine,
        refusals=tuple(sorted(foreign)),
    )


def _key(one: Correction) -> tuple[str, str | None]:
    return plain(one.text), one.pack


def _correction(data: Any) -> Correction:
    if not isinstance(data, dict) or set(data) - {"text", "pack", "was", "state"}:
        raise ValueError("not an object of text, pack, was and state")
    one = Correction(data.get("text"), data.get("pack"), data.get("was"), data.get("state", "proposed"))  # type: ignore[arg-type]
    if not isinstance(one.text, str) or not one.text.strip() or len(one.text) > MAX_TEXT:
        raise ValueError(f"`text` must have 1 to {MAX_TEXT} characters")
    if any(name is not None and not isinstance(name, str) for name in (one.pack, one.was)):
        raise ValueError("`pack` and `was` are names of packs or null")
    if one.state not in ("proposed", "accepted"):
        raise ValueError("`state` is proposed or accepted")
    return one
