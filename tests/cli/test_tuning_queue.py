"""A queue of packs: side by side, one failure doesn't stop the others, an interrupted one goes on."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from senmon.adapters.durable import try_locked
from senmon.cli.tuning_queue import Queue
from senmon.errors import TuningInProgress
from senmon.settings import Settings
from senmon.workspace import Workspace

#: Stands for `senmon tune PACK --json`: what it prints and how it ends goes by the pack's name.
CHILD = """
import json, sys, time
name = sys.argv[1].rsplit("/", 1)[-1]
def begin():
    print(json.dumps({"event": "progress", "step": 1, "steps": 4, "eta_seconds": 65.0}), flush=True)
if name != "slow":
    begin()
open(sys.argv[0] + "." + name, "a").write("x")
if name == "dead":
    import os; os.kill(os.getpid(), 9)
if name == "broken":
    print(json.dumps({"error": {"code": "data_invalid", "message": "line 3 is wrong", "remedy": ""}}))
    sys.exit(1)
if name == "slow":
    try:
        begin()
        time.sleep(60)
    except KeyboardInterrupt:
        open(sys.argv[0] + ".interrupted", "w"); sys.exit(130)
passed = name != "weak"
print(json.dumps({"event": "result", "version": "abc", "passed": passed, "promoted": passed}))
sys.exit(0 if passed else 1)
"""


@pytest.fixture
def queue(pack_folder: Callable[..., Path], tmp_path: Path) -> Callable[..., Queue]:
    child = tmp_path / "child.py"
    child.write_text(CHILD)

    def make(*names: str) -> Queue:
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        workspace = Workspace.open(Settings(home=home, packs=(tmp_path / "packs",)))
        packs = [str(tmp_path / "packs" / name) for name in names]
        for name in names:
            if not (tmp_path / "packs" / name).exists():
                pack_folder(name)
        made = Queue(workspace, packs, ("--full",), json=False)
        made.command = (sys.executable, str(child))
        return made

    return make


async def test_one_that_fails_does_not_stop_the_others(queue: Callable[..., Queue]) -> None:
    made = queue("good", "broken", "dead", "weak", "fine")
    assert not await made.run(2)
    states = {Path(entry.pack).name: (entry.state, entry.note) for entry in made.entries}
    assert states["good"][0] == states["fine"][0] == "passed" and states["weak"][0] == "not passed"
    assert states["broken"] == ("failed", "data_invalid: line 3 is wrong")
    assert states["dead"] == ("failed", "ended with code -9")
    assert not made.file.exists(), "a queue that is done is forgotten"


async def test_interrupted_it_goes_on_with_what_is_not_done(
    queue: Callable[..., Queue], tmp_path: Path
) -> None:
    first = queue("good", "slow")
    running = asyncio.ensure_future(first.run(2))
    while first.entries[0].state != "passed" or first.entries[1].step == 0:
        await asyncio.sleep(0.02)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (tmp_path / "child.py.interrupted").exists(), "the child had time for its checkpoint"
    assert [entry.state for entry in first.entries] == ["passed", "stopped"]
    assert {row["state"] for row in json.loads(first.file.read_text()).values()} == {"passed", "stopped"}

    (tmp_path / "child.py").write_text(CHILD.replace("time.sleep(60)", "pass"))
    again = queue("good", "slow")
    assert await again.run(2)
    assert again.entries[0].kept and not again.entries[1].kept
    assert (tmp_path / "child.py.good").read_text() == "x", "tuned once"


async def test_the_same_queue_twice_is_refused(queue: Callable[..., Queue]) -> None:
    made = queue("good")
    with try_locked(made.file.parent, f".{made.file.stem}.lock") as free:
        assert free
        with pytest.raises(TuningInProgress):
            await made.run(1)
