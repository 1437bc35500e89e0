"""Which files belong to a pack: one bounded walk that never leaves the folder.

Everything else (globs, digests) works on this list, so that nothing can be reached around it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from senmon.errors import Problem
from senmon.packs.text_file import invalid

MAX_FILES = 10_000
MAX_BYTES = 200 * 1024 * 1024
#: Vouches for the files, so it is none of them.
SIGNATURE = "signature.json"
#: Compiled code can't be reviewed and would run instead of the source that was allowed.
COMPILED = frozenset({".pyc", ".pyd", ".so", ".pyo", ".dll", ".dylib"})


@dataclass(frozen=True, slots=True)
class Inventory:
    """The files of a folder, as sorted POSIX paths relative to `root`: no `adapter/`, no signature,
    nothing hidden."""

    root: Path
    files: tuple[str, ...]
    problems: tuple[Problem, ...]

    def match(self, pattern: str) -> tuple[str, ...]:
        """The files that fit a glob pattern (`*`, `?`, `**/`)."""
        return tuple(name for name in self.files if fits(name, pattern))

    def digest(self, names: Iterable[str] | None = None) -> str:
        """sha256 over paths and contents; empty when there is no file."""
        chosen = self.files if names is None else tuple(names)
        total = hashlib.sha256()
        for name in chosen:
            with (self.root / name).open("rb") as file:
                content = hashlib.file_digest(file, "sha256")
            total.update(os.fsencode(name) + b"\0" + content.digest())
        return total.hexdigest() if chosen else ""

    def code(self) -> tuple[str, ...]:
        return tuple(name for name in self.files if name.endswith(".py"))


def fits(name: str, pattern: str) -> bool:
    """Whether the relative path `name` fits the glob `pattern`."""
    parts = re.split(r"(\*\*/|\*|\?)", pattern)
    known = {"**/": "(?:[^/]+/)*", "*": "[^/]*", "?": "[^/]"}
    return re.fullmatch("".join(known.get(part) or re.escape(part) for part in parts), name) is not None


def escape_reason(pattern: str) -> str | None:
    """Why a path or glob from a manifest may not be used; None when it stays inside the folder."""
    path = PurePosixPath(pattern)
    if not pattern.strip():
        return "is empty"
    if path.is_absolute() or re.match(r"^([A-Za-z]:|~|\\)", pattern):
        return "is an absolute path"
    if "\\" in pattern or "\0" in pattern:
        return "has a character that paths of packs don't have"
    return "leads out of the pack's folder" if ".." in path.parts else None


def take_inventory(root: Path, *, max_files: int = MAX_FILES, max_bytes: int = MAX_BYTES) -> Inventory:
    """Walks `root`. Links that lead outside, special files and compiled code become problems.

    Raises PackInvalid when the folder is over the limits.
    """
    home = root.resolve()
    names: list[str] = []
    problems: list[Problem] = []
    size = 0
    for path in _walk(root):
        if problem := _refusal(path, home):
            problems.append(problem)
            continue
        names.append(path.relative_to(root).as_posix())
        size += path.stat().st_size
        if len(names) > max_files or size > max_bytes:
            why = f"holds more than {max_files:,} files or {max_bytes // 1024**2} MB"
            raise invalid(Problem(str(root), 0, "", why, "keep only what the pack needs in its folder"))
    return Inventory(root, tuple(sorted(names)), tuple(problems))


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root, onerror=_raise, followlinks=False):
        here = Path(folder)
        links = [name for name in folders if (here / name).is_symlink() and not _skipped(name, here == root)]
        folders[:] = sorted(
            name for name in folders if name not in links and not _skipped(name, here == root)
        )
        names = [name for name in (*files, *links) if here != root or name != SIGNATURE]
        yield from (here / name for name in sorted(names) if not name.startswith("."))


def _raise(error: OSError) -> None:
    raise error


def _skipped(name: str, top: bool) -> bool:
    return name.startswith(".") or name == "__pycache__" or (top and name == "adapter")


def _refusal(path: Path, home: Path) -> Problem | None:
    if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(home):
        return Problem(
            str(path), 0, "", "is a link that leads out of the pack's folder", "copy the file instead"
        )
    if not path.is_file():
        return Problem(
            str(path), 0, "", "is not a regular file", "remove it, or replace the link by its files"
        )
    if path.suffix in COMPILED:
        return Problem(
            str(path), 0, "", "is compiled code, which can't be reviewed", "ship the source instead"
        )
    return None
