"""Servers that are started, asked and killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from senmon.errors import ConfigError

#: In place of the seconds for a word: the packs' own base and adapters.
REAL = "real"


@dataclass(frozen=True, slots=True)
class Served:
    """A server's process and address."""

    pid: int
    address: str

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
            while _alive(self.pid):
                time.sleep(0.002)

    def is_dead(self, within: float) -> bool:
        """Waits so long for its end."""
        until = time.monotonic() + within
        while _alive(self.pid) and time.monotonic() < until:
            time.sleep(0.002)
        return not _alive(self.pid)

    def memory(self) -> float:
        """Resident mebibytes."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def threads(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    def files(self) -> int:
        """Open ones, sockets among them."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def cpu(self) -> float:
        """CPU seconds so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class Nursery:
    """A process that forks servers of one home."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._born: list[Served] = []

    def server(
        self,
        *,
        dies_at: int = 0,
        before: bool = True,
        count: Path | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> Served:
        """A fresh one, answering. `dies_at`: it kills itself at that commit of a transaction that writes,
        right before or right after it. `count`: a file that grows by a byte for each such commit. `settings`
        take the place of those of all servers."""
        assert self._process.stdin is not None and self._process.stdout is not None
        told: dict[str, object] = {"dies_at": dies_at, "before": before, "count": str(count) if count else ""}
        told["settings"] = dict(settings or {})
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise ConfigError("the server did not start", remedy="see what it wrote above")
        found = json.loads(line)
        self._born.append(Served(int(found["pid"]), str(found["address"])))
        return self._born[-1]

    def end(self) -> None:
        for served in self._born:
            served.kill()
        self._process.kill()
        self._process.wait()


@contextmanager
def nursery(
    home: Path,
    packs: Sequence[Path],
    *,
    delay: float | str = 0.0,
    live_runs: int = 1000,
    prefix: Sequence[str] = (),
) -> Iterator[Nursery]:
    """`delay`: seconds of the engine for a word, or `REAL`; `live_runs`: replies at once at most; `prefix`:
    the program that runs it."""
    words = (str(home), str(delay), str(live_runs), *map(str, packs))
    command = [*prefix, sys.executable, "-m", "senmon.cli.bench_trust_server", *words]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    begun = Nursery(process)
    try:
        yield begun
    finally:
        begun.end()
