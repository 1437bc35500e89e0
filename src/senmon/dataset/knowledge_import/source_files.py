"""The files of a help centre: one bounded walk that never leaves the folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from senmon.errors import DataInvalid, Problem

MAX_PAGES = 5_000
MAX_PAGE_BYTES = 2 * 1024 * 1024
SKIPPED = frozenset({"node_modules", "__pycache__", "_site"})


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A page on disk. `name` is its POSIX path below the source."""

    path: Path
    name: str


def find_pages(source: Path, suffixes: Sequence[str]) -> tuple[tuple[SourceFile, ...], tuple[Problem, ...]]:
    """The pages of a file or folder, sorted by name, and what had to be refused on the way.

    Links that lead out of the folder are refused; hidden files and files of other kinds are passed over.
    Raises DataInvalid when the source is not there, has no page, or has more than 5,000.
    """
    if source.is_file():
        return (SourceFile(source, source.name),), ()
    if not source.is_dir():
        why = "is not a regular file" if os.path.lexists(source) else "is not there"
        raise _error(source, why, "give the folder of the pages, or one page")
    home = source.resolve()
    pages: list[SourceFile] = []
    problems: list[Problem] = []
    for path in _walk(source):
        if path.suffix.lower() not in suffixes and not path.is_dir():
            continue
        if problem := _refusal(path, home):
            problems.append(problem)
            continue
        pages.append(SourceFile(path, path.relative_to(source).as_posix()))
        if len(pages) > MAX_PAGES:
            raise _error(source, f"has more than {MAX_PAGES:,} pages", "import it folder by folder")
    if not pages and not problems:
        raise _error(source, f"has no page ({', '.join(suffixes)})", "check the folder and the format")
    return tuple(sorted(pages, key=lambda page: page.name)), tuple(problems)


def read_page(page: SourceFile) -> bytes | Problem:
    """The bytes of a page, or why they can't be had. At most 2 MB."""
    try:
        with page.path.open("rb") as file:
            data = file.read(MAX_PAGE_BYTES + 1)
    except OSError as error:
        return Problem(str(page.path), 0, "", f"can't be read: {error.strerror}", "check its permissions")
    if len(data) > MAX_PAGE_BYTES:
        why = f"is larger than {MAX_PAGE_BYTES // 1024**2} MB"
        return Problem(str(page.path), 0, "", why, "divide the page, or leave it out")
    return data


def _walk(source: Path) -> Iterator[Path]:
    """Files, and links to folders (which are not followed)."""
    for folder, folders, files in os.walk(source, followlinks=False):
        here = Path(folder)
        links = [name for name in folders if (here / name).is_symlink()]
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and name not in SKIPPED and name not in links
        )
        yield from (here / name for name in sorted([*files, *links]) if not name.startswith("."))


def _refusal(path: Path, home: Path) -> Problem | None:
    if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(home):
        why, remedy = "is a link that leads out of the folder", "copy the file instead"
    elif path.is_symlink() and path.is_dir():
        why, remedy = "is a link to a folder, which is not followed", "import that folder by its own name"
    elif not path.is_file():
        why, remedy = "is not a regular file", "remove it from the folder"
    else:
        return None
    return Problem(str(path), 0, "", why, remedy)


def _error(source: Path, why: str, remedy: str) -> DataInvalid:
    return DataInvalid(f"{source.name}: nothing was imported", [Problem(str(source), 0, "", why, remedy)])
