"""A table of questions and answers → articles; several questions with one answer make one article."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from senmon.dataset.csv_rows import CsvFile, Row
from senmon.dataset.knowledge_import.gathering import Gathered, Progress, Remark, add_draft, finish
from senmon.dataset.knowledge_import.html_page import read_html
from senmon.dataset.knowledge_import.page import Draft
from senmon.dataset.knowledge_import.text_encoding import visible
from senmon.dataset.normal_form import normalised
from senmon.errors import Problem

MAX_ROWS = 5_000
MAX_QUESTION = 200
_HTML = re.compile(
    r"</?(?:p|br|ul|ol|li|a|b|strong|em|i|div|span|h[1-6]|table|img|script|style)\b[^>]*>", re.I
)
_WEB = re.compile(r"(https?://|/(?!/))\S+")


@dataclass(frozen=True, slots=True)
class FaqColumns:
    """Which columns hold what."""

    question: str = "question"
    answer: str = "answer"
    category: str = ""
    url: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in (self.question, self.answer, self.category, self.url) if name)


@dataclass(frozen=True, slots=True)
class FaqReading:
    """How the table is read; `delimiter` None: found out from the header."""

    columns: FaqColumns = FaqColumns()
    delimiter: str | None = None
    encoding: str = "utf-8"


@dataclass(slots=True)
class _Answer:
    line: int
    text: str
    questions: list[str]
    category: str
    url: str


def gather_faq(
    source: Path, reading: FaqReading, on_progress: Progress | None = None
) -> tuple[Gathered, dict[str, str]]:
    """The articles, and the category of each by its key. Raises DataInvalid for an unreadable table."""
    columns = reading.columns
    file = CsvFile(source, columns.names, delimiter=reading.delimiter, encoding=reading.encoding)
    gathered = Gathered()
    answers: dict[str, _Answer] = {}
    for row in _rows(file, columns, gathered, on_progress):
        _add(row, columns, answers, gathered, source)
    categories: dict[str, str] = {}
    for answer in answers.values():
        before = len(gathered.drafts)
        add_draft(_draft(answer, source), gathered, least=1)
        if len(gathered.drafts) > before:
            categories[gathered.drafts[-1].key] = answer.category
    finish(gathered)
    return gathered, categories


def _rows(
    file: CsvFile, columns: FaqColumns, gathered: Gathered, on_progress: Progress | None
) -> Iterator[Row]:
    for row in file.rows():
        gathered.pages += 1
        if gathered.pages > MAX_ROWS:
            raise file.error(row.line, "", f"has more than {MAX_ROWS:,} rows", "divide the table")
        faults = [row.fault] if row.fault else list(_faults(row, columns))
        if faults:
            gathered.refused.append(Problem(str(file.path), row.line, "", *faults[0]))
        else:
            yield row
        if on_progress and gathered.pages % 100 == 0:
            on_progress(gathered.pages, 0)


def _faults(row: Row, columns: FaqColumns) -> Iterator[tuple[str, str]]:
    question = " ".join(visible(row.values[columns.question]).split())
    if not question or not row.values[columns.answer].strip():
        yield "has no question or no answer", "fill it in, or leave the row out"
    if len(question) > MAX_QUESTION:
        yield f"its question has more than {MAX_QUESTION} characters", "shorten the question"
    if columns.url and (url := row.values[columns.url].strip()) and not _WEB.fullmatch(url):
        yield f"`{url[:60]}` is not a web address", "write https://… or a path such as /help/returns"


def _add(
    row: Row, columns: FaqColumns, answers: dict[str, _Answer], gathered: Gathered, source: Path
) -> None:
    question = " ".join(visible(row.values[columns.question]).split())
    text = _text(row.values[columns.answer])
    category = " ".join(row.values[columns.category].split())[:80] if columns.category else ""
    url = row.values[columns.url].strip() if columns.url else ""
    known = answers.setdefault(normalised(text), _Answer(row.line, text, [], category, url))
    if normalised(question) in map(normalised, known.questions):
        gathered.left_out.append(Remark(source.name, row.line, f"repeats “{question[:60]}”"))
    else:
        known.questions.append(question)


def _text(answer: str) -> str:
    """HTML becomes Markdown; anything else stays as it is."""
    if not _HTML.search(answer):
        return visible(answer.replace("\r\n", "\n").replace("\r", "\n")).strip()
    page = read_html(answer, "answer")
    return "\n\n".join(
        part
        for section in page.sections
        for part in (section.title and f"**{section.title}**", section.text)
        if part
    )


def _draft(answer: _Answer, source: Path) -> Draft:
    title, *others = answer.questions
    return Draft(
        key=f"{source.name}#{title}", page=source.name, section=title, title=title, text=answer.text,
        line=answer.line, url=answer.url, questions=tuple(others),
    )  # fmt: skip


def named_for_question(draft: Draft) -> Draft:
    """The id comes from the question alone, not from the table's name."""
    return replace(draft, page="index", section="")
