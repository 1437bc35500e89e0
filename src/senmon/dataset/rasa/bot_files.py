"""The files of a bot's folder: one bounded walk that never leaves it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from senmon.errors import DataInvalid, Problem

MAX_FILES = 5_000
MAX_FILE_BYTES = 8 * 1024 * 1024
MAX_BYTES = 64 * 1024 * 1024
SUFFIXES = frozenset({".yml", ".yaml", ".md", ".txt", ".py"})
#: Folders of virtual environments, trained models and test results: never part of a bot.
SKIPPED = frozenset({"__pycache__", "models", "results", "node_modules", "venv", "env", "site-packages"})


@dataclass(frozen=True, slots=True)
class BotFile:
    """`name` is the POSIX path relative to the bot's folder."""

    path: Path
    name: str


def bot_files(root: Path) -> tuple[BotFile, ...]:
    """The YAML, Markdown, text and Python files under `root`, sorted by name.

    Raises DataInvalid: no such folder, links that lead out of it, a file over 8 MiB, more than 5,000 files
    or 64 MiB together.
    """
    if not root.is_dir():
        why = "is not a folder" if root.exists() else "is not there"
        raise _refused(root, Problem(str(root), 0, "", why, "give the folder that holds domain.yml"))
    home, size = root.resolve(), 0
    found: list[BotFile] = []
    problems: list[Problem] = []
    for path in _walk(root):
        name = path.relative_to(root).as_posix()
        if problem := _fault(path, name, home):
            problems.append(problem)
            continue
        size += path.stat().st_size
        found.append(BotFile(path, name))
        if len(found) > MAX_FILES or size > MAX_BYTES:
            why = f"holds more than {MAX_FILES:,} files or {MAX_BYTES // 1024**2} MiB of text"
            raise _refused(root, Problem(str(root), 0, "", why, "give the bot's own folder"))
    if problems:
        raise _refused(root, *problems)
    return tuple(sorted(found, key=lambda file: file.name))


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root, onerror=_raise, followlinks=False):
        here = Path(folder)
        # A linked folder is not walked: whoever needs it gets told by `_fault`.
        links = [name for name in folders if (here / name).is_symlink() and not _skipped(name)]
        folders[:] = sorted(name for name in folders if not _skipped(name) and name not in links)
        names = sorted(name for name in files if not name.startswith("."))
        yield from (here / name for name in names if Path(name).suffix.lower() in SUFFIXES)
        yield from (here / name for name in links)


def _skipped(name: str) -> bool:
    return name.startswith(".") or name in SKIPPED


def _raise(error: OSError) -> None:
    why = f"can't be read: {error.strerror or error}"
    raise _refused(Path(str(error.filename)), Problem(str(error.filename), 0, "", why, "check permissions"))


def _fault(path: Path, name: str, home: Path) -> Problem | None:
    if path.is_symlink():
        target = Path(os.path.realpath(path))
        if not target.is_relative_to(home):
            why = "is a link that leads out of the bot's folder"
            return Problem(name, 0, "", why, "copy what it leads to, or remove it")
        if target.is_dir():
            return Problem(
                name, 0, "", "is a linked folder", "import the folder that it leads to, or remove it"
            )
    try:
        status = path.stat()
    except OSError as error:
        return Problem(name, 0, "", f"can't be read: {error.strerror or error}", "check that it is a file")
    if not stat.S_ISREG(status.st_mode):
        return Problem(name, 0, "", "is not a regular file", "remove it from the folder")
    if status.st_size > MAX_FILE_BYTES:
        return Problem(name, 0, "", f"is larger than {MAX_FILE_BYTES // 1024**2} MiB", "divide the file")
    return None


def _refused(root: Path, *problems: Problem) -> DataInvalid:
    return DataInvalid(f"{root.name}: nothing was imported", problems)
