"""A small disk of one's own that is full or read-only when it is told to be: a tmpfs in a mount namespace.

Nobody else sees it, and it goes with its process. Linux only; who is not root needs user namespaces.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from senmon.bench.killing import forked
from senmon.bench.trust import Count, Row
from senmon.errors import ConfigError, SenmonError

#: Of Linux's `unshare` and `mount`.
_NEW_MOUNTS, _NEW_USERS = 0x00020000, 0x10000000
_READ_ONLY, _REMOUNT, _RECURSIVE, _PRIVATE = 1, 32, 16384, 1 << 18
PAGE = 4096
ROOM = 512 * 2**20
#: What the command line says to people in words: everything else is a fault of ours.
REFUSED = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
#: Seconds for all points of one kind together.
PATIENCE = 3600
#: Times that a disk is made read-only before that is given up, half a second apart.
TRIES = 10


class Disk:
    """Mounted over `root` by a process that was forked for it."""

    def __init__(self, root: Path) -> None:
        """Raises ConfigError where that is not allowed."""
        self.root = root
        self._libc = ctypes.CDLL(None, use_errno=True)
        if os.geteuid() != 0:
            user, group = os.geteuid(), os.getegid()
            self._call("unshare", _NEW_USERS | _NEW_MOUNTS)
            for name, text in (
                ("setgroups", "deny"),
                ("uid_map", f"0 {user} 1"),
                ("gid_map", f"0 {group} 1"),
            ):
                Path(f"/proc/self/{name}").write_text(text, encoding="ascii")
        else:
            self._call("unshare", _NEW_MOUNTS)
        self._mount(b"none", b"/", None, _RECURSIVE | _PRIVATE)
        self._mount(b"tmpfs", os.fsencode(root), b"tmpfs", 0, f"size={ROOM}")

    def used(self) -> int:
        """Pages."""
        found = os.statvfs(self.root)
        return found.f_blocks - found.f_bfree

    def leave(self, pages: int) -> None:
        """No more than so many pages are free."""
        self._again(f"size={(self.used() + pages) * PAGE}")

    def room(self) -> None:
        self._again(f"size={ROOM}")

    def read_only(self) -> None:
        """Refused by the system as long as a file is open for writing: what was refused before may have left
        one to the collector."""
        for left in reversed(range(TRIES)):
            gc.collect()
            try:
                self._again(f"size={ROOM}", _READ_ONLY)
            except ConfigError:
                if not left:
                    raise
                time.sleep(0.5)
            else:
                return

    def clear(self) -> None:
        self.room()
        for path in self.root.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def _again(self, options: str, flags: int = 0) -> None:
        self._mount(b"tmpfs", os.fsencode(self.root), b"tmpfs", _REMOUNT | flags, options)

    def _mount(self, source: bytes, target: bytes, kind: bytes | None, flags: int, options: str = "") -> None:
        self._call("mount", source, target, kind, ctypes.c_ulong(flags), options.encode() or None)

    def _call(self, name: str, *arguments: object) -> None:
        if not sys.platform.startswith("linux") or getattr(self._libc, name)(*arguments) != 0:
            why = os.strerror(ctypes.get_errno())
            raise ConfigError(
                f"no disk of its own: {name}: {why}", remedy="run it as root, or allow namespaces"
            )


def on_own_disk(root: Path, part: str, tried: Callable[[Disk], list[Count]]) -> list[Row]:
    """The rows of `tried`, in a child with a disk over `root`; where that can't be, a row that says so."""
    root.mkdir(parents=True, exist_ok=True)
    reader, writer = os.pipe()

    def work() -> None:
        try:
            found = [(row.what, row.points, row.failures, row.note, row.why)
                     for row in (count.row() for count in tried(Disk(root)))]  # fmt: skip
        except ConfigError as error:
            found = [("not tried", 0, 0, error.message, ())]
        os.write(writer, json.dumps(found).encode())

    status = forked(work, patience=PATIENCE)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        text = pipe.read()
    if status or not text:
        raise RuntimeError(f"the process with the disk ended with {status}")
    found = json.loads(text)
    return [Row(part, what, points, failed, note, tuple(why)) for what, points, failed, note, why in found]


def is_refused(work: Callable[[], object]) -> bool:
    """Whether `work` is refused with an error of ours, or one of the system's that people get in words."""
    try:
        work()
    except SenmonError:
        return True
    except OSError as error:
        if error.errno in REFUSED:
            return True
        raise
    return False
