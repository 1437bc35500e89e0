"""Raw documents of a team: Markdown, HTML, text and JSONL files, cut into pieces a model can learn from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from senmon.errors import DataInvalid, Problem
from senmon.pretraining.corpus import PATTERNS, Document, read_documents

SUFFIXES = (".md", ".markdown", ".html", ".htm", ".txt")
MAX_FILE_BYTES = 5_000_000
#: Pieces end at a heading or paragraph near this length.
PIECE_CHARACTERS = 3000
HELD_PERCENT = 10
UNREADABLE = "the documents can't be read"
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.S)
_HIDDEN = ("script", "style", "noscript", "template", "svg", "head", "nav", "footer")


@dataclass(frozen=True, slots=True)
class Raw:
    """A document's text without markup of its container; `source` is the file it came from."""

    source: str
    text: str


def read_places(places: Iterable[Path]) -> list[Raw | Document]:
    """Every document of these files and folders (searched through, hidden files left out), in order.

    JSONL lines stay documents of their own, conversations included. Raises DataInvalid with every problem.
    """
    problems: list[Problem] = []
    found: list[Raw | Document] = []
    for place in places:
        files = list(_files(place))
        if not files:
            why = "holds no document" if place.is_dir() else "no such file or folder, or of an unknown kind"
            problems.append(Problem(str(place), 0, "", why, f"name {', '.join(SUFFIXES)} or .jsonl files"))
        for path in files:
            try:
                found += _read(path)
            except DataInvalid as error:
                problems += error.problems
            except (OSError, UnicodeDecodeError) as error:
                problems.append(Problem(str(path), 0, "", str(error), "save it as UTF-8 text"))
    if problems:
        raise DataInvalid(UNREADABLE, problems)
    return found


def _files(place: Path) -> Iterator[Path]:
    if place.is_dir():
        inside = (path for path in sorted(place.rglob("*")) if path.is_file())
        yield from (path for path in inside if _wanted(path) and not _hidden(path.relative_to(place)))
    elif place.is_file() and _wanted(place):
        yield place


def _wanted(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES or any(path.match(pattern) for pattern in PATTERNS)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _read(path: Path) -> list[Raw | Document]:
    if path.suffix.lower() not in SUFFIXES:
        return list(read_documents(path))
    if path.stat().st_size > MAX_FILE_BYTES:
        raise DataInvalid(
            UNREADABLE, [Problem(str(path), 0, "", "larger than 5 MB", "cut it into smaller files")]
        )
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix.lower() in (".html", ".htm"):
        text = html_text(text, str(path))
    elif path.suffix.lower() in (".md", ".markdown"):
        text = _FRONT_MATTER.sub("", text.replace("\r\n", "\n"))
    return [Raw(path.name, text.strip())] if text.strip() else []


def html_text(html: str, place: str = "") -> str:
    """What a reader sees of a page: no markup, scripts, styles or navigation; a blank line between blocks.

    Raises DataInvalid for a page that is nested too deeply to read.
    """
    from bs4 import BeautifulSoup

    try:
        soup = BeautifulSoup(html, "html.parser")
        for tag in soup(_HIDDEN):
            tag.decompose()
        text = soup.get_text("\n")
    except RecursionError:
        problem = Problem(place, 0, "", "nested too deeply", "save the page as text")
        raise DataInvalid(UNREADABLE, [problem]) from None
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def pieces(raw: Raw, size: int = PIECE_CHARACTERS) -> list[str]:
    """Pieces of about `size` characters, cut before headings, else between paragraphs or lines."""
    made: list[str] = []
    room = 0
    for block in _blocks(raw.text, size):
        heading = block.startswith("#")
        if not made or room < len(block) or (heading and room < size // 2):
            made.append(block)
            room = size - len(block)
        else:
            made[-1] += f"\n\n{block}"
            room -= len(block)
    return made


def _blocks(text: str, size: int) -> Iterator[str]:
    """Paragraphs; those longer than `size` line by line, and longer lines cut."""
    for paragraph in re.split(r"\n\s*\n", text):
        if len(paragraph) <= size:
            yield from (one for one in [paragraph.strip("\n")] if one.strip())
            continue
        for line in paragraph.splitlines():
            yield from (line[at : at + size] for at in range(0, len(line), size) if line.strip())


def is_held_out(text: str, percent: int = HELD_PERCENT) -> bool:
    """Decided by the text's hash, so that the same document is always on the same side."""
    return int(hashlib.sha256(text.strip().encode()).hexdigest(), 16) % 100 < percent
