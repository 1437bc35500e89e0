"""What `senmon improve` shows while it works, and the work itself."""

from __future__ import annotations

import asyncio
import json as jsonlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from senmon.cli.output import console, emit, emit_line, note
from senmon.cli.plain_text import plain, safe
from senmon.settings import Settings

if TYPE_CHECKING:
    from senmon.engines.protocol import Engine
    from senmon.improvement.course import Course
    from senmon.improvement.improving import Improvement
    from senmon.improvement.screening import Plan
    from senmon.improvement.watching import Watch
    from senmon.packs.pack import Pack
    from senmon.store.store import Store
    from senmon.workspace import Workspace

#: How often the watched turns are counted.
LOOK_SECONDS = 5.0
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Wish:
    """The options of the command."""

    pack: str
    settings: tuple[str, ...]
    dry_run: bool
    watch: bool
    turns: int
    promote: bool
    again: bool
    hold_out: int
    full: bool
    json: bool
    retire: bool = False
    canary: int = 0
    sample: int = 0


async def improved(settings: Settings, wish: Wish) -> bool:
    """Do it and print what came of it. False when the adapter was refused or rolled back."""
    from senmon.store.store import Store
    from senmon.workspace import Workspace

    workspace = Workspace.open(settings)
    workspace.home.mkdir(parents=True, exist_ok=True)
    pack = workspace.pack(wish.pack)
    target = settings.database_url or workspace.home / "senmon.db"
    store = await Store.open(target, serving=False)
    try:
        if wish.dry_run:
            return await _dry(pack, store, wish)
        sound = await _improve(workspace, pack, store, wish)
        return sound and (not wish.watch or await _watched(workspace, pack.name, store, wish))
    finally:
        await store.close()


async def _dry(pack: Pack, store: Store, wish: Wish) -> bool:
    from senmon.improvement.screening import planned
    from senmon.improvement.taking import check_patterns

    plan = await planned(pack, store, hold_out=wish.hold_out, retire=wish.retire)
    check_patterns(pack, plan)
    emit({"event": "plan", **plan_json(plan)}, plan_table(plan, pack), json=wish.json)
    return True


async def _improve(workspace: Workspace, pack: Pack, store: Store, wish: Wish) -> bool:
    from senmon.cli.tuning_session import Shown, judging_engine
    from senmon.improvement.improving import Bench, improve
    from senmon.lifecycle.overrides import overridden

    base = workspace.base_for(pack)
    engines: list[Engine] = []

    def engine() -> Engine:
        if not engines:
            engines.append(judging_engine(workspace, base))
        return engines[0]

    shown = Shown(json=wish.json)

    def step(words: str) -> None:
        if wish.json:
            emit_line({"event": "step", "step": words})
        else:
            shown.progress.update(shown.task, description=words, total=None, figures="")

    bench = Bench(
        store=store,
        adapters=workspace.adapters,
        base=base,
        home=workspace.home,
        engine=engine,
        encoder=workspace.encoder,
        device=None if workspace.settings.device == "auto" else workspace.device,
        threads=workspace.settings.threads,
        recipe=overridden(pack.manifest.recipe, wish.settings),
        mode="full" if wish.full else "quick",
        on_step=step,
        on_tuning=shown.tuning,
        on_evaluation=shown.evaluation,
    )
    try:
        with shown.progress:
            if wish.sample:
                await _sample(workspace, pack, store, wish, engine(), step)
            found = await improve(
                pack,
                bench,
                hold_out=wish.hold_out,
                promote=wish.promote,
                again=wish.again,
                retire=wish.retire,
                canary=wish.canary,
            )
    finally:
        for made in engines:
            await made.close()
    await _announce(store, found)
    _print(found, pack, wish)
    return found.course is None or found.course.phase != "refused"


async def _sample(
    workspace: Workspace,
    pack: Pack,
    store: Store,
    wish: Wish,
    engine: Engine,
    step: Callable[[str], None],
) -> None:
    """Decisions of the checks, before anything is learnt."""
    from senmon.improvement.deciding import Desk
    from senmon.improvement.sampling import REVIEWER, sampled
    from senmon.workspace import promoted_here

    step(f"sampling {wish.sample} replies to each message whose reply was refused")
    desk = Desk(store, workspace.home, workspace.pack, REVIEWER)
    found = await sampled(
        pack,
        desk,
        engine=engine,
        adapter=promoted_here(workspace, pack),
        tries=wish.sample,
        encoder=workspace.encoder,
    )
    if wish.json:
        emit_line({"event": "sampled", **asdict(found)})
    else:
        note(f"sampled: {found.kept} of {found.tried} refused replies have one now that passes the checks")


async def _announce(store: Store, found: Improvement) -> None:
    """To whom it is said by webhook."""
    course = found.course
    if course is not None and found.verdict is not None:
        data = {"pack": course.pack, "version": course.version, "reasons": list(course.reasons)}
        await store.webhooks.announce(f"gate.{course.phase}", data)


def _print(found: Improvement, pack: Pack, wish: Wish) -> None:
    course, verdict = found.course, found.verdict
    if wish.json:
        emit_line({"event": "plan", **plan_json(found.plan)})
        result = course.model_dump(mode="json") if course else None
        gate = found.tuned.verdict.summary() if found.tuned else None
        emit_line({"event": "result", "improvement": result, "gate": gate, "resumed": found.resumed})
        return
    console.print(plan_table(found.plan, pack))
    if course is None:
        console.print("Nothing new was decided: nothing to learn. `senmon inbox` shows what waits.")
        return
    if found.resumed:
        console.print("An improvement was stopped half-way; it was gone on with.")
    if found.tuned is not None:
        from senmon.cli.tuning_session import report_table

        console.print(report_table(found.tuned.verdict.report, found.tuned.verdict.reasons))
    if verdict is not None and verdict.answers:
        console.print(_regressions(verdict))
    console.print(plain(_ending(course)), soft_wrap=True, markup=False)


def _regressions(verdict: Any) -> Table:
    title = f"Regression suite: {verdict.before} right before, {verdict.after} now, of {len(verdict.answers)}"
    table = Table("", "asked", "before", "now", title=title)
    moved = [("gained", one) for one in verdict.gained] + [("lost", one) for one in verdict.lost]
    for word, one in moved[:SHOWN]:
        table.add_row(word, *(safe(text[:80]) for text in (one.request, one.before or "–", one.after or "–")))
    return table


def _ending(course: Course) -> str:
    version = (course.version or "")[:12]
    if course.phase == "promoted":
        return f"{course.pack}@{version} is promoted. Watch it: senmon improve {course.pack} --watch"
    if course.phase == "canary":
        return f"{course.pack}@{version} is on trial. A running server watches it, and so does --watch"
    if course.phase == "ready":
        return f"{course.pack}@{version} passed; serve it: senmon adapters promote {course.pack} {version}"
    words = "; ".join(course.reasons)
    if course.phase == "kept":
        return words
    return f"{course.pack}@{version} was refused, what was served goes on: {words}"


# --- what would change


def plan_json(plan: Plan) -> dict[str, Any]:
    return {
        "added": [dict(line.record) for line in plan.added],
        "changed": [dict(line.record) for line in plan.changed],
        "withdrawn": list(plan.withdrawn),
        "asked": [dict(line.record) for line in plan.asked],
        "unchanged": plan.unchanged,
        "refused": [{"run": one.review.run, "why": one.why} for one in plan.refused],
        "conflicts": list(plan.conflicts),
        "outdated": [asdict(one) for one in plan.outdated],
        "retired": [asdict(one) for one in plan.retired],
    }


def plan_table(plan: Plan, pack: Pack) -> RenderableType:
    """The diff: what each line is, whose decision it is, and what it teaches."""
    from senmon.store.reviews import handle

    table = Table("", "exchange", "intent", "asked", "teaches", "by", title=f"{pack.name}: what is learnt")
    rows = [("+", line) for line in plan.added] + [("~", line) for line in plan.changed]
    rows += [("?", line) for line in plan.asked]
    for sign, line in rows[: 3 * SHOWN]:
        record = line.record
        sign += " held out" if record.get("split") == "test" else ""
        asked, taught = _last(record, "user"), _taught(record)
        cells = (
            sign,
            handle(line.review.run)[:8],
            str(record["intent"]),
            asked,
            taught,
            line.review.reviewer,
        )
        table.add_row(*(safe(cell[:120]) for cell in cells))
    parts: list[RenderableType] = [table] if rows else []
    parts += [Text(f"- {id}: its decision was taken back or changed") for id in plan.withdrawn[:SHOWN]]
    parts += [
        Text(plain(f"left out {handle(one.review.run)[:8]}: {one.why}")) for one in plan.refused[:SHOWN]
    ]
    parts += [Text(plain(f"look: {each}")) for each in plan.conflicts[:SHOWN]]
    parts += [Text(plain(each)) for each in _outdated(plan)]
    held = sum(line.record.get("split") == "test" for line in plan.added)
    parts.append(
        Text(
            f"{len(plan.added)} new ({held} held out), {len(plan.changed)} changed, "
            f"{len(plan.withdrawn)} withdrawn, {plan.unchanged} as before, "
            f"{len(plan.asked)} regression cases, {len(plan.refused)} left out"
        )
    )
    return Group(*parts)


def _outdated(plan: Plan) -> list[str]:
    """One line for each reply that is outdated."""
    words = "goes out, kept in review/retired.jsonl" if plan.retired else "take it out: --retire"
    found: dict[tuple[str, str], list[str]] = {}
    for one in plan.outdated:
        found.setdefault((one.intent, one.reply), []).append(f"{one.path}:{one.number}")
    return [
        f"outdated {intent} ({len(places)} lines, {places[0]} …): “{reply[:60]}” – {words}"
        for (intent, reply), places in found.items()
    ][:SHOWN]


def _last(record: dict[str, Any], role: str) -> str:
    return next((str(one["content"]) for one in reversed(record["messages"]) if one["role"] == role), "")


def _taught(record: dict[str, Any]) -> str:
    if "expect" in record:
        return f"expects {jsonlib.dumps(record['expect'], ensure_ascii=False)}"
    last = record["messages"][-1]
    calls = [one["function"] for one in last.get("tool_calls") or ()]
    return last["content"] or f"calls {calls[0]['name']} {jsonlib.dumps(calls[0]['arguments'])}"


# --- watching


async def _watched(workspace: Workspace, pack: str, store: Store, wish: Wish) -> bool:
    """Until the new adapter is kept or rolled back. Stopped, the next watch counts the same turns."""
    from senmon.improvement.course import WATCHED, read_course
    from senmon.improvement.watching import judged

    course = read_course(workspace.home, pack)
    if course is None or course.phase not in WATCHED:
        note("nothing to watch: no improvement of this pack is promoted and unproved")
        return True
    if not wish.json:
        note(f"watching {pack}@{(course.version or '')[:12]} for {wish.turns} turns; Ctrl-C stops, any time")
    counted = -1
    while True:
        watch, course = await judged(store, workspace.adapters, workspace.home, course, turns=wish.turns)
        over = course.phase not in WATCHED
        if watch.turns != counted or over:
            counted = watch.turns
            data = {"event": "watch", "phase": course.phase, **watch.to_json()}
            emit_line(data) if wish.json else console.print(watch_table(watch, course))
        if over:
            return course.phase != "rolled back"
        await asyncio.sleep(LOOK_SECONDS)


def watch_table(watch: Watch, course: Course) -> RenderableType:
    head = f"{course.pack}: {watch.turns} of {watch.wanted} turns, against {watch.compared} before"
    table = Table("share of turns", "before", "now", "difference", "", title=head)
    for one in watch.guards:
        shown = [f"{each.value:.1%} [{each.low:.1%}, {each.high:.1%}]" for each in (one.before, one.after)]
        table.add_row(one.name, *shown, f"{one.low:+.1%} to {one.high:+.1%}", "worse" if one.fallen else "")
    parts: list[RenderableType] = [table] if watch.guards else [Text(f"{head}: too few to compare yet")]
    if course.phase == "rolled back":
        parts.append(Text(f"rolled back: {'; '.join(course.reasons)}"))
    elif course.phase == "kept":
        parts.append(Text(f"kept{': ' if course.reasons else ''}{'; '.join(course.reasons)}"))
    return Group(*parts)
