"""`senmon bench loop`: does learning from conversations work? A made-up pack, visitors, a reviewer."""

from __future__ import annotations

import asyncio
import contextlib
import json as jsonlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from senmon.cli.bench import Json
from senmon.cli.output import console, emit, note
from senmon.errors import ConfigError
from senmon.settings import Settings

if TYPE_CHECKING:
    from senmon.bench.loop_club import Ask
    from senmon.bench.loop_report import Loop
    from senmon.bench.loop_talk import Told
    from senmon.store.store import Store

#: Seconds in which a running server must have taken a promotion over.
TAKES_OVER = 60.0
#: Per cent of the corrections that are kept out of training: of a few dozen the most must be learnt.
HOLD_OUT = 8
#: Messages of each gap beyond the share of it that is corrected: some are answered rightly, or not asked for.
SPARE = 4


def loop(
    seed: Annotated[int, typer.Option(help="Draws the wordings.")] = 1,
    corrections: Annotated[int, typer.Option(min=6, max=200, help="Replies that are corrected.")] = 50,
    examples: Annotated[int, typer.Option(min=4, max=60, help="Examples of an intent in the pack.")] = 24,
    held_out: Annotated[int, typer.Option(min=4, max=60, help="Questions of each held-out suite.")] = 20,
    epochs: Annotated[float, typer.Option(min=0.5, help="Passes over the data.")] = 4.0,
    prefer: Annotated[
        bool,
        typer.Option("--prefer", help="Improve from rejected replies too (DPO, by TRL)."),
    ] = False,
    keep: Annotated[
        Path | None, typer.Option(help="Folder in which all of it stays; an adapter there is used again.")
    ] = None,
    page: Annotated[Path | None, typer.Option(help="Page to put the table into.")] = None,
    json: Json = False,
) -> None:
    """Prove the loop: three gaps, visitors who meet them, a scripted reviewer, `senmon improve`, and back.

    A made-up maths club is tuned and served. A policy has changed, an intent is missing and a frequent error
    of pupils is unknown. Visitors chat over HTTP, a script corrects their worst replies, `senmon improve`
    runs by itself. Each gap's held-out suite must gain 30 points, no other suite may lose more than
    one, and a rollback must restore every letter. Exit 1 otherwise. About five minutes on one free core.
    """
    from senmon.bench.loop_report import HEADS, lines, remarks, rows
    from senmon.bench.page import put_section

    wish = Wish(seed, corrections, examples, held_out, epochs, prefer)
    with _folder(keep) as folder:
        found = asyncio.run(Rig(folder, wish).run())
    table = Table(*HEADS, title="The loop")
    for row in rows(found):
        table.add_row(*(cell.strip("*") for cell in row))
    emit(found.to_json(), table, json=json)
    if not json:
        for line in (*remarks(found), *(f"NOT AS PROMISED: {one}" for one in found.faults)):
            console.print(f"· {line}")
    if page is not None:
        put_section(page, "loop", lines(found))
        note(f"written: {page}")
    if found.faults:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class Wish:
    """The options of the command."""

    seed: int
    corrections: int
    examples: int
    held_out: int
    epochs: float
    prefer: bool = False


@contextlib.contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="senmon-loop-") as folder:
            yield Path(folder)
        return
    if (keep / "home" / "senmon.db").exists():
        raise ConfigError(f"{keep} holds a loop that was run", remedy="name a new folder")
    keep.mkdir(parents=True, exist_ok=True)
    yield keep.absolute()


@dataclass
class Rig:
    """The operator: everything is done by the commands that people have, beside a server of its own."""

    folder: Path
    wish: Wish
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    async def run(self) -> Loop:
        from senmon.bench.loop_club import NAME, held_out, visits, write_club
        from senmon.bench.loop_report import Loop, restored, suites_of

        wish = self.wish
        write_club(self.folder / "packs" / NAME, wish.seed, wish.examples)
        first = self._step("tune", lambda: self._tune(NAME))
        exam = held_out(wish.seed + 1, wish.held_out, 2 * wish.held_out)
        with self._served() as address:
            before = await self._asked(address, "before", exam)
            each = -(-wish.corrections // 3) + SPARE
            await self._asked(address, "visitors", visits(wish.seed, each), complain=True)
            corrected = await self._reviewed()
            plan, second = self._step("improve", lambda: self._improve(NAME))
            await self._taken_over(address, exam, second)
            after = await self._asked(address, "after", exam)
            self._command("adapters", "rollback", NAME)
            await self._taken_over(address, exam, first)
            back = await self._asked(address, "back", exam)
        same, compared, rerouted = restored(before, back)
        return Loop(
            seed=wish.seed,
            suites=suites_of(before, after),
            corrected=corrected,
            learnt=len(plan["added"]),
            retired=len(plan["retired"]),
            restored=same,
            compared=compared,
            rerouted=rerouted,
            seconds=self.seconds,
            versions=(first, second),
        )

    # --- the steps

    def _tune(self, name: str) -> str:
        from senmon.adapters import AdapterStore

        tuned = AdapterStore(self.home).promoted(name)
        if tuned is not None:
            return tuned.version[:12]
        told = self._command("tune", name, "--json", *self._recipe())
        return str(told[-1].get("version") or told[-1]["adapter"])[:12]

    def _improve(self, name: str) -> tuple[dict[str, Any], str]:
        told = self._command(
            "improve",
            name,
            "--json",
            "--retire",
            "--hold-out",
            str(HOLD_OUT),
            *self._recipe(),
            *(["--prefer"] if self.wish.prefer else []),
        )
        plan = next(one for one in told if one.get("event") == "plan")
        result = next(one["improvement"] for one in told if one.get("event") == "result")
        if result is None or result["phase"] != "promoted":
            raise ConfigError(f"the improvement was not promoted: {result}")
        return plan, str(result["version"])[:12]

    def _recipe(self) -> list[str]:
        return ["--budget", "full", "--set", f"epochs={self.wish.epochs}", "--set", "evaluations=2"]

    async def _reviewed(self) -> int:
        """The script takes the inbox from the top and writes what the reply should have been."""
        from senmon.bench.loop_club import NAME, right, visits
        from senmon.improvement.deciding import Desk
        from senmon.improvement.signals import ranked
        from senmon.packs.loader import load_pack
        from senmon.store.store import Store

        pack = load_pack(self.folder / "packs" / NAME)
        wanted = {one.text: one for one in visits(self.wish.seed, -(-self.wish.corrections // 3) + SPARE)}
        store: Store = await Store.open(self.home / "senmon.db", serving=False)
        try:
            desk, done = Desk(store, self.home, lambda _: pack, "the script"), 0
            for item in ranked([each async for each in store.reviews.exchanges(undecided=True)]):
                asked = wanted.get(item.exchange.text)
                if asked is None or "thumbs down" not in item.kinds or done == self.wish.corrections:
                    continue
                answer = right(asked.intent)
                await desk.correct(
                    item.exchange.run,
                    reply=answer.reply,
                    pack=NAME,
                    intent=asked.intent,
                    articles=answer.articles,
                )
                done += 1
            return done
        finally:
            await store.close()

    async def _asked(
        self, address: str, name: str, asks: Sequence[Ask], *, complain: bool = False
    ) -> tuple[Told, ...]:
        from senmon.bench.loop_talk import Visitors

        note(f"{name}: {len(asks)} messages")
        began = time.monotonic()
        async with Visitors(address) as visitors:
            found = await visitors.ask_all(asks, complain=complain)
        self.seconds[name] = round(time.monotonic() - began, 1)
        return found

    async def _taken_over(self, address: str, asks: Sequence[Ask], version: str) -> None:
        """Wait until the running server answers with `version`."""
        from senmon.bench.loop_talk import Visitors

        end = time.monotonic() + TAKES_OVER
        async with Visitors(address) as visitors:
            # One question may be routed elsewhere by what was learnt.
            for ask in cycle(asks):
                if time.monotonic() > end:
                    break
                if (await visitors.ask(ask)).adapter == version:
                    return
                await asyncio.sleep(0.5)
        raise ConfigError(f"the server did not take {version} over in {TAKES_OVER:.0f} s")

    # --- processes

    def _step(self, name: str, work: Callable[[], Any]) -> Any:
        note(f"{name} …")
        began = time.monotonic()
        found = work()
        self.seconds[name] = round(time.monotonic() - began, 1)
        return found

    def _environment(self) -> Mapping[str, str]:
        own = {name: text for name, text in os.environ.items() if not name.startswith("SENMON_")}
        settings = Settings.load()
        own |= {"SENMON_HOME": str(self.home), "SENMON_PACKS": str(self.folder / "packs")}
        own |= {"SENMON_RATE_LIMIT_PER_MINUTE": "0", "SENMON_DEVICE": settings.device}
        own |= {"SENMON_THREADS": str(settings.threads)} if settings.threads else {}
        own |= {"SENMON_BASE": settings.base} if settings.base else {}
        return own | ({"SENMON_ENCODER": settings.encoder} if settings.encoder else {})

    def _command(self, *arguments: str) -> list[dict[str, Any]]:
        """The JSON lines of a command. Raises ConfigError with its last words when it fails."""
        command = [sys.executable, "-m", "senmon.cli.main", *arguments]
        done = subprocess.run(
            command, env=self._environment(), cwd=self.folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            said = (done.stderr or done.stdout)[-600:]
            raise ConfigError(f"`senmon {' '.join(arguments)}` ended with {done.returncode}: {said}")
        return [jsonlib.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    @contextlib.contextmanager
    def _served(self) -> Iterator[str]:
        """A server of this state on a free port; its address."""
        command = [sys.executable, "-m", "senmon.cli.main", "serve", "--port", "0", "--json"]
        log = self.folder / "server.log"
        with log.open("w", encoding="utf-8") as errors:
            server = subprocess.Popen(
                command,
                env=self._environment(),
                cwd=self.folder,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            try:
                assert server.stdout is not None
                line = next((one for one in server.stdout if '"ready"' in one), "")
                if not line:
                    raise ConfigError(f"the server did not start: {log.read_text(encoding='utf-8')[-600:]}")
                yield str(jsonlib.loads(line)["address"])
            finally:
                server.terminate()
                server.wait(30)
