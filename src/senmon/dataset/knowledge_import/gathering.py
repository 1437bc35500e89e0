"""Pages → articles to write, with everything that has to be told about the way there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote, urljoin

from senmon.dataset.knowledge_import.html_page import read_html
from senmon.dataset.knowledge_import.markdown_page import PageLeftOut, read_markdown
from senmon.dataset.knowledge_import.page import Draft, Page
from senmon.dataset.knowledge_import.source_files import SourceFile, find_pages, read_page
from senmon.dataset.knowledge_import.splitting import WORDS, split_page
from senmon.dataset.knowledge_import.suspicion import suspicious, without_references
from senmon.dataset.knowledge_import.text_encoding import decode_page
from senmon.dataset.near_duplicates import near_duplicates
from senmon.dataset.normal_form import normalised
from senmon.errors import Problem, ProblemsError

SUFFIXES = {"markdown": (".md", ".markdown", ".mdx"), "html": (".html", ".htm", ".xhtml")}
#: A page with fewer words answers nobody.
LEAST_WORDS = 8
#: An article's file may have 256 KiB.
MOST_BYTES = 200 * 1024
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about one page that a person should know."""

    page: str
    line: int
    text: str


@dataclass(slots=True)
class Gathered:
    """`split` counts pages that became several articles."""

    drafts: list[Draft] = field(default_factory=list)
    pages: int = 0
    split: int = 0
    changed: list[Remark] = field(default_factory=list)
    left_out: list[Remark] = field(default_factory=list)
    suspicious: list[Remark] = field(default_factory=list)
    alike: list[Remark] = field(default_factory=list)
    refused: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PageReading:
    """`url_base` is where the folder is published; `words` the size of an article."""

    format: str
    url_base: str = ""
    words: int = WORDS


def gather_pages(source: Path, reading: PageReading, on_progress: Progress | None = None) -> Gathered:
    """Every article of a folder or file. Raises DataInvalid when there is nothing to read."""
    files, refused = find_pages(source, SUFFIXES[reading.format])
    gathered = Gathered(refused=list(refused))
    for number, file in enumerate(files, start=1):
        page = _page(file, reading, gathered)
        if page is not None:
            _take(page, file, reading, gathered)
        if on_progress:
            on_progress(number, len(files))
    finish(gathered)
    return gathered


def _page(file: SourceFile, reading: PageReading, gathered: Gathered) -> Page | None:
    data = read_page(file)
    if isinstance(data, Problem):
        gathered.refused.append(data)
        return None
    try:
        text, encoding = decode_page(data)
        if encoding != "utf-8":
            gathered.changed.append(Remark(file.name, 0, f"read as {encoding}"))
        return _read(text, file, reading)
    except PageLeftOut as reason:
        gathered.left_out.append(Remark(file.name, 0, str(reason)))
    except ProblemsError as error:
        gathered.refused.extend(error.problems)
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, ValueError) else "is nested too deep"
        gathered.refused.append(Problem(str(file.path), 0, "", why, "correct the page, or leave it out"))
    return None


def _read(text: str, file: SourceFile, reading: PageReading) -> Page:
    base = urljoin(reading.url_base, quote(file.name)) if reading.url_base else ""
    if reading.format == "markdown":
        page = read_markdown(text, file.name, base=base, path=str(file.path))
    else:
        page = read_html(text, file.name, base=base)
    title = page.title or Path(file.name).stem.replace("-", " ").replace("_", " ").capitalize()
    return replace(page, title=title, url=page.url or _published(base))


def _published(base: str) -> str:
    """Where sites show a page: without `.md`, and `index` is its folder."""
    for suffix in SUFFIXES["markdown"]:
        base = base.removesuffix(suffix)
    for name in ("index", "README", "_index", "index.html"):
        if base.endswith(f"/{name}"):
            base = base.removesuffix(name)
    return base


def _take(page: Page, file: SourceFile, reading: PageReading, gathered: Gathered) -> None:
    gathered.pages += 1
    gathered.changed += (Remark(file.name, 0, note) for note in page.notes)
    drafts = split_page(page, reading.words)
    gathered.split += len(drafts) > 1
    for draft in drafts:
        add_draft(draft, gathered)


def add_draft(draft: Draft, gathered: Gathered, least: int = LEAST_WORDS) -> None:
    """Keeps an article that says something and fits, without `[[…]]`, which would refer to facts."""
    text, count = without_references(draft.text)
    title, more = without_references(draft.title)
    if count or more:
        gathered.changed.append(Remark(draft.page, draft.line, f"{count + more} × [[…]] became […]"))
    if piece := suspicious(f"{title}\n{text}"):
        gathered.suspicious.append(Remark(draft.page, draft.line, piece))
    if len(text.split()) < least:
        gathered.left_out.append(Remark(draft.page, draft.line, f"“{title}” has almost no text"))
    elif len(text.encode("utf-8", "replace")) > MOST_BYTES:
        why = f"“{title[:60]}” has more than {MOST_BYTES // 1024} KiB of text in one paragraph"
        gathered.refused.append(Problem(draft.page, draft.line, "", why, "divide it by headings"))
    else:
        gathered.drafts.append(replace(draft, text=text, title=title))


def finish(gathered: Gathered) -> None:
    """Drops articles that repeat an earlier one, points out those much alike, makes keys differ."""
    first: dict[str, Draft] = {}
    kept: list[Draft] = []
    for draft in gathered.drafts:
        same = first.setdefault(normalised(draft.text), draft)
        if same is draft:
            kept.append(draft)
        else:
            place = f"{same.page}:{same.line}" if same.line else same.page
            gathered.left_out.append(Remark(draft.page, draft.line, f"says the same as {place}"))
    gathered.drafts = list(_distinct(kept))
    for group in near_duplicates([normalised(draft.text) for draft in gathered.drafts]):
        names = [gathered.drafts[index] for index in group]
        others = ", ".join(f"“{draft.title}”" for draft in names[1:4])
        gathered.alike.append(
            Remark(names[0].page, names[0].line, f"“{names[0].title}” is much like {others}")
        )


def _distinct(drafts: Iterable[Draft]) -> Iterable[Draft]:
    seen: dict[str, int] = {}
    for draft in drafts:
        seen[draft.key] = seen.get(draft.key, 0) + 1
        yield replace(draft, key=f"{draft.key}#{seen[draft.key]}") if seen[draft.key] > 1 else draft
