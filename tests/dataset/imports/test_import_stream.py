"""The one writer behind all formats: whole or not at all, bounded, and only into its own file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from senmon.dataset.importing import Writing, import_chat, import_stream
from senmon.dataset.imports import tally, target
from senmon.dataset.imports.chat_rows import alpaca_row
from senmon.dataset.imports.imported import Imported, LeftOut, exchange
from senmon.dataset.imports.target import slug
from senmon.dataset.loading import load_dataset
from senmon.errors import DataInvalid, PackInvalid, Problem
from senmon.packs.loader import load_pack

Make = Callable[..., Path]


def talk(number: int, reply: str = "yes", **more: str) -> Imported:
    return Imported("source", number, exchange(f"request {number}", reply), **more)  # type: ignore[arg-type]


def test_what_was_taken_changed_left_out_and_refused(tmp_path: Path) -> None:
    stream: list[Imported | LeftOut | Problem] = [
        talk(1, "call {{Phone}}", split="test"),
        Problem("source", 2, "x", "is broken", "mend it"),
        LeftOut("twins"),
        talk(4, "a\r\nb"),
    ]
    report = import_stream(stream, tmp_path / "desk", "source", Writing(skip_broken=True))
    assert (report.rows, report.taken, report.refused_rows, report.placeholders) == (4, 2, 1, 1)
    assert report.left_out == {"twins": 1} and report.notes == {"line ends made alike": 1}
    assert report.splits == {"": 1, "test": 1} and report.slots == {"Phone": 1}
    assert str(report.refused[0]) == "source:2 [x]: is broken → mend it"


def test_what_furnish_adds_must_load(tmp_path: Path) -> None:
    def broken(folder: Path) -> None:
        with (folder / "pack.yaml").open("a", encoding="utf-8") as file:
            file.write("actions: {specs: [{name: a, description: b}]}\n")

    with pytest.raises(PackInvalid, match=r"no actions\.py"):
        import_stream([talk(1)], tmp_path / "desk", "source", Writing(furnish=broken))
    assert list(tmp_path.iterdir()) == []


def test_a_stream_that_fails_leaves_nothing(tmp_path: Path, pack_folder: Make) -> None:
    def stream() -> Iterator[Imported]:
        yield talk(1)
        raise RuntimeError("cable cut")

    folder = pack_folder("shop")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for place in (folder, tmp_path / "new"):
        with pytest.raises(RuntimeError, match="cable cut"):
            import_stream(stream(), place, "source.csv")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert not (tmp_path / "new").exists() and not list(tmp_path.glob(".new*"))


def test_a_pack_that_would_grow_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target, "MAX_BYTES", target._RESERVE + 2000)
    with pytest.raises(
        DataInvalid, match=r"source:\d+: from here on the pack would hold more than .*--limit"
    ):
        import_stream((talk(n) for n in range(100)), tmp_path / "desk", "source")
    assert not (tmp_path / "desk").exists()
    limited = Writing(limit=5)
    assert import_stream((talk(n) for n in range(100)), tmp_path / "desk", "source", limited).taken == 5


def test_intents_that_are_no_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("senmon.dataset.importing.MAX_INTENTS", 10)
    assert tally.MAX_INTENTS == 10_000
    with pytest.raises(DataInvalid, match="more than 10 different intents"):
        import_stream((talk(n, intent=f"i{n}") for n in range(20)), tmp_path / "desk", "source")
    with pytest.raises(DataInvalid, match=r"\[intent\]: has more than 80 characters"):
        import_stream([talk(1, intent="x" * 81)], tmp_path / "desk", "source")


def test_a_data_file_that_is_a_link(tmp_path: Path, pack_folder: Make) -> None:
    folder = pack_folder("shop")
    outside = tmp_path / "outside.jsonl"
    outside.write_text('{"origin": "source"}\n', encoding="utf-8")
    (folder / "data/source.jsonl").symlink_to(outside)
    with pytest.raises(PackInvalid, match="leads out of the pack's folder"):
        import_stream([talk(1)], folder, "source")
    assert outside.read_text(encoding="utf-8") == '{"origin": "source"}\n'


@pytest.mark.parametrize(
    ("origin", "name"),
    [
        ("Help Desk.csv", "help_desk"),
        ("org/set-2.1", "org_set_2"),
        ("../../x.json", "x"),
        ("été.JSON", "t"),
        ("日本", "imported"),
        ("a" * 300, "a" * 80),
    ],
)
def test_names_of_files(origin: str, name: str) -> None:
    assert slug(origin) == name


def test_sixty_thousand_rows_in_bounded_memory(tmp_path: Path) -> None:
    """A list of 12 MB; what is held grows neither with the rows nor with those refused."""
    source = tmp_path / "many.json"
    with source.open("w", encoding="utf-8") as file:
        rows = (
            json.dumps({"instruction": f"request {n}", "output": "reply " * 20 if n % 10 else ""})
            for n in range(60_000)
        )
        file.write("[\n" + ",\n".join(rows) + "\n]\n")
    baseline = _peak(source, tmp_path / "part", 1_000)
    peak = _peak(source, tmp_path / "whole", 60_000)
    assert source.stat().st_size > 9_000_000 and peak - baseline < 8_000_000, (baseline, peak)


_MEASURED = """
import resource, sys
from pathlib import Path
from senmon.dataset.importing import Writing, import_chat
from senmon.dataset.imports.chat_rows import alpaca_row
writing = Writing(skip_broken=True, limit=int(sys.argv[3]))
report = import_chat(Path(sys.argv[1]), Path(sys.argv[2]), alpaca_row, writing)
assert report.rows == int(sys.argv[3])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def _peak(source: Path, folder: Path, rows: int) -> int:
    """Peak resident bytes of a process that imports the first rows."""
    command = [sys.executable, "-c", _MEASURED, str(source), str(folder), str(rows)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_a_killed_import_leaves_the_pack_as_it_was(tmp_path: Path, pack_folder: Make) -> None:
    folder, source = pack_folder("shop"), tmp_path / "pipe.json"
    before = {path.name: path.read_bytes() for path in (folder / "data").iterdir()}
    source.write_text(
        "["
        + ",".join(json.dumps({"instruction": f"r {n}", "output": "y" * 900}) for n in range(30_000))
        + "]",
        encoding="utf-8",
    )
    code = (
        "import sys; from pathlib import Path; from senmon.dataset.importing import *;"
        "from senmon.dataset.imports.chat_rows import alpaca_row;"
        "import_chat(Path(sys.argv[1]), Path(sys.argv[2]), alpaca_row)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(source), str(folder)])
    limit = time.monotonic() + 60
    while not list((folder / "data").glob(".pipe.jsonl.*")) and time.monotonic() < limit:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(30)
    kept = {path.name: path.read_bytes() for path in (folder / "data").iterdir() if path.name[0] != "."}
    assert kept == before and len(load_dataset(load_pack(folder))) == 24
    assert import_chat(source, folder, alpaca_row, Writing(limit=50)).taken == 50
