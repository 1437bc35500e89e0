"""Imports that are killed, and big ones with broken rows: all of the data or none, bounded memory."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

from senmon.bench.killing import changes_of, forked, killed_before, killed_within
from senmon.bench.trust import Count, Effort, Row, Tell, must, workbench
from senmon.dataset.importing import ImportReport, import_csv
from senmon.errors import DataInvalid

ROWS = 400
#: Every so many rows is broken in one of three ways.
BROKEN = 50
#: Mebibytes that reading a big file may take beyond what reading a small one does.
MORE_MEMORY = 64
#: Seconds after which a big import counts as stuck.
HOUR = 3600


def write_rows(path: Path, count: int) -> int:
    """A CSV file of so many rows; the number of broken ones."""
    broken = 0
    with path.open("wb") as file:
        file.write(b"q,a\n")
        for number in range(count):
            if number % BROKEN == BROKEN - 1:
                broken += 1
                kind = (number // BROKEN) % 3
                file.write((b"too,many,fields\n", b"\xff\xfe not text,x\n", b",no question\n")[kind])
            else:
                file.write(b"where may parcel %d be,With the carrier %d.\n" % (number, number))
    return broken


def run(effort: Effort, tell: Tell) -> Sequence[Row]:
    with workbench() as root:
        tell("import: killed")
        killed = _killed(root, effort)
        tell(f"import: {effort.size:,} rows, some broken")
        return [killed, *_big(root, effort)]


def _take(source: Path, pack: Path) -> ImportReport:
    return import_csv(source, pack, user="q", assistant="a", skip_broken=True)


def _killed(root: Path, effort: Effort) -> Row:
    count = Count("import", "CSV import, killed: the pack as before or as after")
    source, pack = root / "rows.csv", root / "packs" / "shop"
    write_rows(source, ROWS // 2)
    _take(source, pack)
    write_rows(source, ROWS)
    start, draw = root / "start", effort.draw("import")
    shutil.copytree(pack, start)
    old = pack_seen(pack)
    work: Callable[[], None] = lambda: _done(source, pack)  # noqa: E731
    total = changes_of(work, pack)
    new = pack_seen(pack)
    must(new != old, "the import changed nothing")
    size = sum(path.stat().st_size for path in (pack / "data").iterdir())
    for number in range(effort.points):
        shutil.rmtree(pack)
        shutil.copytree(start, pack)
        change, byte = draw.randint(1, total), draw.randint(0, size - 1)
        within = number % 2 == 1
        with count.point(f"import within byte {byte}" if within else f"import before change {change}"):
            ended = killed_within(work, byte) if within else killed_before(work, pack, change)
            must(ended < 0, f"was not killed ({ended})")
            must(pack_seen(pack) in (old, new), "the pack is neither as before nor as after")
            work()
            must(pack_seen(pack) == new, "the same import again did not complete it")
    return count.row(f"{total} changes of files in the import")


def _done(source: Path, pack: Path) -> None:
    _take(source, pack)


def pack_seen(pack: Path) -> dict[str, str]:
    """What anybody reads of a pack: every file but hidden ones."""
    return {
        str(path.relative_to(pack)): sha256(path.read_bytes()).hexdigest()
        for path in pack.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(pack).parts)
    }


def _big(root: Path, effort: Effort) -> Sequence[Row]:
    """Memory of a big import against a hundredth of it, each in a process of its own."""
    counted = Count("import", f"{effort.size:,} rows, every {BROKEN}th broken: each one named or counted")
    bounded = Count("import", "memory does not grow with the file")
    peaks = []
    with counted.point("the big file"):
        for size in (max(effort.size // 100, 100), effort.size):
            report = _apart(root / f"{size}", size)
            must(report["status"] == 0, f"the import of {size:,} rows failed: {report}")
            must(report["refused"] == report["broken"], f"{report['refused']} refused of {report['broken']}")
            must(report["taken"] == size - report["broken"], f"{report['taken']} taken of {size}")
            peaks.append(report["peak"] / 1024)
    with bounded.point("the big file"):
        must(len(peaks) == 2, "not measured")
        must(peaks[1] - peaks[0] < MORE_MEMORY, f"{peaks[0]:.0f} MiB, then {peaks[1]:.0f} MiB")
    note = f"+{peaks[0]:.0f} MiB at a hundredth, +{peaks[1]:.0f} MiB at all" if len(peaks) == 2 else ""
    return [counted.row(), bounded.row(note)]


def _apart(folder: Path, size: int) -> dict[str, int]:
    folder.mkdir()
    told = folder / "report.json"
    broken = write_rows(folder / "rows.csv", size)

    def work() -> None:
        report = {"taken": 0, "refused": 0}
        before = _peak(reset=True)
        try:
            done = import_csv(
                folder / "rows.csv", folder / "pack", user="q", assistant="a", skip_broken=True, dry_run=True
            )
            report = {"taken": done.taken, "refused": done.refused_rows}
        except DataInvalid as error:
            report["said"] = len(str(error))
        told.write_text(json.dumps({**report, "peak": _peak() - before}), encoding="utf-8")

    status = forked(work, patience=HOUR)
    (folder / "rows.csv").unlink()
    nothing = {"peak": 0, "taken": 0, "refused": 0}
    found = json.loads(told.read_text(encoding="utf-8")) if told.is_file() else nothing
    return {**found, "status": status, "broken": broken}


def _peak(*, reset: bool = False) -> int:
    """The most memory that this process ever had, in kibibytes; `reset`: from here on. What getrusage says
    begins with the memory of the process that it was forked from."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
