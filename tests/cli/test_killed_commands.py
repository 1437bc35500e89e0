"""`import`, `generate`, `review` and `export`, killed at every kind of point: what is there is old or new.

A child process is forked for each point and dies, without any cleaning up, before its n-th change of a file.
SENMON_KILL_POINTS sets how many points each command gets.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from rasa_bots import write_bot
from senmon.cli.main import app, compose
from senmon.dataset.loading import load_dataset
from senmon.packs.loader import load_pack
from tiny import write_pack

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
POINTS = int(os.environ.get("SENMON_KILL_POINTS", "4"))
#: Seconds after which a child counts as stuck.
PATIENCE = 60
CHANGES = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "shutil.copytree"})
WRITING = os.O_WRONLY | os.O_RDWR
LOADED = (
    *(f"senmon.cli.{name}" for name in ("exporting", "generating", "importing", "importing_rasa", "main")),
    *(f"senmon.dataset.{name}.importing" for name in ("rasa", "knowledge_import")),
    "senmon.bases.catalog",
    "senmon.dataset.exports.exporting",
    "senmon.dataset.generation.generating",
    "senmon.dataset.generation.reviewing",
    "senmon.dataset.importing",
    "senmon.workspace",
)
State = Mapping[str, str]


@dataclass(frozen=True)
class Case:
    """`arguments` of senmon, run beside `packs/` and `src/`; `mixed`: two files that change one after the
    other, so that a third state may be seen, which the same command completes."""

    arguments: tuple[str, ...]
    prepare: tuple[str, ...] = ()
    mixed: bool = False


CASES = {
    "import csv": Case(
        ("import", "csv", "src/rows.csv", "--pack", "./packs/shop", "--user", "q", "--assistant", "a")
    ),
    "import csv, new": Case(
        ("import", "csv", "src/rows.csv", "--pack", "./packs/new", "--user", "q", "--assistant", "a")
    ),
    "import rasa": Case(("import", "rasa", "src/bot", "--pack", "./packs/travel")),
    "import faq": Case(("import", "faq", "src/faq.csv", "--pack", "./packs/shop", "--examples"), mixed=True),
    "generate": Case(("generate", "./packs/shop", "--noise", "--count", "20")),
    "review accept": Case(
        ("review", "accept", "./packs/shop", "--all-passing"),
        ("generate", "./packs/shop", "--noise", "--count", "20"),
        mixed=True,
    ),
    "review reject": Case(
        ("review", "reject", "./packs/shop", "--all-waiting"),
        ("generate", "./packs/shop", "--noise", "--count", "20"),
    ),
    "export openai": Case(("export", "./packs/shop", "--format", "openai", "--out", "packs/out.jsonl")),
    "export hf": Case(("export", "./packs/shop", "--format", "hf", "--out", "packs/out")),
}


def seen(root: Path) -> State:
    """What anybody reads: every file but hidden ones, by its content."""
    files = (path for path in root.rglob("*") if path.is_file())
    names = {path.relative_to(root): path for path in files}
    return {
        str(name): sha256(path.read_bytes()).hexdigest()
        for name, path in names.items()
        if not any(part.startswith(".") for part in name.parts if part != ".imports")
    }


def site(folder: Path) -> Path:
    """`packs/shop` and what is imported into it."""
    write_pack(folder / "packs" / "shop")
    (folder / "src").mkdir()
    rows = "".join(f"where may parcel {n} be,With the carrier {n}.\n" for n in range(400))
    (folder / "src" / "rows.csv").write_text(f"q,a\n{rows}", encoding="utf-8")
    asked = "".join(f"May I bring guest number {n}?,Guest {n} is welcome.\n" for n in range(30))
    (folder / "src" / "faq.csv").write_text(f"question,answer\n{asked}", encoding="utf-8")
    write_bot(folder / "src" / "bot")
    return folder


def senmon(arguments: tuple[str, ...]) -> int:
    try:
        return int(app(list(arguments), standalone_mode=False) or 0)
    except typer.Exit as ended:
        return ended.exit_code


def forked(folder: Path, arguments: tuple[str, ...], before: Callable[[], None]) -> int:
    """The exit status of a child that runs senmon in `folder`, after `before`."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(PATIENCE)
            os.chdir(folder)
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            before()
            status = senmon(arguments)
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def counting(root: Path, reached: Callable[[int], None]) -> Callable[[], None]:
    """Calls `reached` with the number of each change of a file below `root`, before it happens."""
    place, folder, count = str(root.resolve()), root.resolve().parent, 0

    def hook(event: str, given: tuple[Any, ...]) -> None:
        nonlocal count
        changes = event in CHANGES or (event == "open" and isinstance(given[2], int) and given[2] & WRITING)
        named = [os.fspath(one) for one in given[:2] if isinstance(one, str | os.PathLike)] if changes else []
        if any(place in str(folder / name) for name in named):
            count += 1
            reached(count)

    return lambda: sys.addaudithook(hook)


def dying(number: int) -> Callable[[int], None]:
    return lambda count: os.kill(os.getpid(), signal.SIGKILL) if count == number else None


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """What the commands load late, so that children begin at once."""
    if not app.registered_commands:  # once per process
        compose()
    for name in LOADED:
        import_module(name)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENMON_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("name", CASES)
def test_a_killed_command_leaves_what_was_or_what_shall_be(name: str, tmp_path: Path) -> None:
    case, whole = CASES[name], site(tmp_path / "whole")
    if case.prepare:
        assert forked(whole, case.prepare, lambda: None) == 0
    shutil.copytree(whole, tmp_path / "start")
    old, total = seen(whole / "packs"), tmp_path / "total"
    log = counting(whole / "packs", lambda count: print(count, file=total.open("w")))
    assert forked(whole, case.arguments, log) == 0
    new, changes = seen(whole / "packs"), int(total.read_text())
    assert new != old and changes >= 2
    drawn = random.Random(name)
    points = sorted(drawn.sample(range(1, changes + 1), min(POINTS, changes)))
    for point in points:
        folder = tmp_path / str(point)
        shutil.copytree(tmp_path / "start", folder)
        ended = forked(folder, case.arguments, counting(folder / "packs", dying(point)))
        assert ended == -signal.SIGKILL
        left = seen(folder / "packs")
        assert left in (old, new) or case.mixed, (point, sorted(left.items() ^ old.items())[:6])
        load_dataset(load_pack(folder / "packs" / "shop"))
        if left != new:
            assert forked(folder, case.arguments, lambda: None) == 0
        assert seen(folder / "packs") == new, point
        shutil.rmtree(folder)
