"""Articles of a help centre or FAQ → a pack's knowledge, all of it or nothing.

An import has a name (its source's). It replaces exactly the articles that the last import of that name wrote;
those that a person has edited since are kept and reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from senmon.dataset.imports.target import slug as file_slug
from senmon.dataset.knowledge_import.article_ids import article_ids
from senmon.dataset.knowledge_import.article_text import article_text
from senmon.dataset.knowledge_import.faq import FaqReading, gather_faq, named_for_question
from senmon.dataset.knowledge_import.faq_examples import (
    Beside,
    example_lines,
    intent_of,
    referring,
    short_answer,
)
from senmon.dataset.knowledge_import.gathering import Gathered, PageReading, Progress, Remark, gather_pages
from senmon.dataset.knowledge_import.proposed_facts import ProposedFact, propose_facts, with_facts
from senmon.dataset.knowledge_import.record import (
    ImportedArticle,
    ImportRecord,
    digest_of,
    read_record_file,
    record_path,
)
from senmon.errors import DataInvalid, Problem
from senmon.packs.article_file import read_article
from senmon.packs.atomic import locked_folder, new_folder, replaced_file, replaced_folder
from senmon.packs.inventory import fits
from senmon.packs.jsonl import read_jsonl
from senmon.packs.loader import load_pack
from senmon.packs.manifest_file import MANIFEST, read_manifest
from senmon.packs.pack import Pack
from senmon.packs.scaffold import NewPack, write_minimal

KNOWLEDGE = "knowledge"
#: What a new pack of articles needs beside the minimum: passages shown, and replies held to them.
_SHOWN = "  - name: references\n  - name: grounded\ncontext:\n  passages: 2\n"
MOST_LISTED = 200


@dataclass(frozen=True, slots=True)
class Writing:
    """`name` of the import (default: its source's). `facts`: write the proposed facts into the articles.

    `overwrite`: replace articles of this import that were edited since. `examples` (FAQ): also write
    one-turn examples.
    """

    name: str = ""
    facts: bool = False
    overwrite: bool = False
    examples: bool = False
    skip_broken: bool = False
    dry_run: bool = False
    new_pack: NewPack | None = None


@dataclass(frozen=True, slots=True)
class KnowledgeReport:
    """What an import did, or would do. Articles are named by id; `refused` are pages (rows of a table).

    `edited` were changed by a person since the last import, and kept. `proposed` are facts for review, or
    those that were written. `examples` counts the examples written beside.
    """

    target: Path
    pages: int
    articles: int
    split: int
    added: tuple[str, ...]
    updated: tuple[str, ...]
    same: int
    removed: tuple[str, ...]
    edited: tuple[str, ...]
    refused: tuple[Problem, ...]
    left_out: tuple[Remark, ...]
    changed: tuple[Remark, ...]
    suspicious: tuple[Remark, ...]
    alike: tuple[Remark, ...]
    proposed: tuple[ProposedFact, ...]
    notes: tuple[str, ...]
    examples: int
    created: bool
    dry_run: bool


@dataclass(slots=True)
class _Plan:
    """Everything that will be written, before anything is. `files`: id → text; `answered`: those with an
    `answer`."""

    record: ImportRecord
    files: dict[str, str] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)
    removed: list[str] = field(default_factory=list)
    edited: list[str] = field(default_factory=list)
    proposed: list[ProposedFact] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


def import_pages(
    source: Path,
    folder: Path,
    reading: PageReading,
    writing: Writing = Writing(),
    on_progress: Progress | None = None,
) -> KnowledgeReport:
    """Imports a folder of Markdown or HTML pages (or one page) into the pack in `folder`.

    A pack that is not there is made. Raises DataInvalid with every page that can't be read (unless
    `skip_broken`), PackInvalid when the pack is broken. Nothing is written then.
    """
    gathered = gather_pages(source, reading, on_progress)
    kind: Literal["markdown", "html"] = "html" if reading.format == "html" else "markdown"
    return _imported(gathered, source, folder, kind, writing, {})


def import_faq(
    source: Path,
    folder: Path,
    reading: FaqReading,
    writing: Writing = Writing(),
    on_progress: Progress | None = None,
) -> KnowledgeReport:
    """Imports a CSV table of questions and answers. Raises as `import_pages` does."""
    gathered, categories = gather_faq(source, reading, on_progress)
    return _imported(gathered, source, folder, "faq", writing, categories)


def _imported(
    gathered: Gathered,
    source: Path,
    folder: Path,
    kind: Literal["markdown", "html", "faq"],
    writing: Writing,
    categories: Mapping[str, str],
) -> KnowledgeReport:
    _check(gathered, source, writing)
    created = not (folder / MANIFEST).is_file()
    name = file_slug(writing.name or source.resolve().name)
    with _locked(folder, created, writing.dry_run):
        pack = None if created else load_pack(folder)
        if pack is not None:
            _check_glob(pack, source)
        old = read_record_file(folder / KNOWLEDGE, name)
        plan = _planned(
            gathered,
            source,
            pack,
            old,
            ImportRecord(name=name, format=kind, source=source.resolve().name, articles={}),
            writing,
        )
        if writing.examples:
            plan.lines = list(_examples(plan, gathered, categories, source, pack, writing))
        before = _texts(folder / KNOWLEDGE, plan.files)
        if not writing.dry_run:
            _write(plan, folder, source, pack, writing)
    return _report(plan, gathered, folder, before, pack, created, writing)


def _check(gathered: Gathered, source: Path, writing: Writing) -> None:
    what = f"{source.name}: nothing was imported"
    if gathered.refused and not writing.skip_broken:
        raise DataInvalid(
            f"{what}; {len(gathered.refused)} can't be read",
            gathered.refused[:MOST_LISTED],
            remedy="correct them, or leave them out with --skip-broken",
        )
    if not gathered.drafts:
        problem = Problem(str(source), 0, "", "has no text to make an article of", "check the format")
        raise DataInvalid(what, [*gathered.refused[:MOST_LISTED], problem])


@contextmanager
def _locked(folder: Path, created: bool, dry_run: bool) -> Iterator[None]:
    if created or dry_run:
        yield
    else:
        with locked_folder(folder):
            yield


def _check_glob(pack: Pack, source: Path) -> None:
    if not fits(f"{KNOWLEDGE}/x.md", pack.manifest.knowledge):
        why = f"knowledge/*.md fits not `{pack.manifest.knowledge}`, so articles there would not be read"
        problem = Problem(str(pack.path / MANIFEST), 0, "knowledge", why, "set knowledge: knowledge/*.md")
        raise DataInvalid(f"{source.name}: nothing was imported", [problem])


def _planned(
    gathered: Gathered,
    source: Path,
    pack: Pack | None,
    old: ImportRecord | None,
    record: ImportRecord,
    writing: Writing,
) -> _Plan:
    mine = set(old.articles) if old else set()
    knowledge = pack.path / KNOWLEDGE if pack else None
    others = [article for article in (pack.articles if pack else ()) if article.id not in mine]
    named = (
        [named_for_question(draft) for draft in gathered.drafts]
        if record.format == "faq"
        else gathered.drafts
    )
    ids = article_ids(named, taken=[article.id for article in others], known=old.ids if old else {})
    edited = _edited(old, knowledge) if not writing.overwrite else {}
    plan = _Plan(record, edited=sorted(edited))
    taken = {name for article in others for name in article.facts}
    taken |= {name for draft in gathered.drafts for name in draft.facts}
    for draft in gathered.drafts:
        id = ids[draft.key]
        if id in edited:
            continue
        proposed = propose_facts(draft, id, taken)
        plan.proposed += proposed
        facts = with_facts(draft, proposed) if writing.facts else draft.facts
        answer = short_answer(draft.text, facts) if record.format == "faq" else ""
        plan.answered |= {id} if answer else set()
        plan.files[id] = article_text(
            draft.title, draft.text, url=draft.url, facts=facts, questions=draft.questions, answer=answer
        )
    _complete(plan, ids, mine, edited, old)
    return plan


def _edited(old: ImportRecord | None, knowledge: Path | None) -> dict[str, ImportedArticle]:
    """Articles of the last import that are not as it wrote them."""
    if old is None or knowledge is None:
        return {}
    return {
        id: article
        for id, article in old.articles.items()
        if (path := knowledge / f"{id}.md").is_file()
        and digest_of(path.read_bytes().decode("utf-8", "replace")) != article.digest
    }


def _complete(
    plan: _Plan,
    ids: Mapping[str, str],
    mine: set[str],
    edited: Mapping[str, ImportedArticle],
    old: ImportRecord | None,
) -> None:
    """What goes, and the record of what stays."""
    plan.removed = sorted(mine - set(plan.files) - set(edited))
    keys = {id: key for key, id in ids.items()}
    articles = {id: ImportedArticle(key=keys[id], digest=digest_of(text)) for id, text in plan.files.items()}
    plan.record = plan.record.model_copy(update={"articles": {**edited, **articles}})


def _examples(
    plan: _Plan,
    gathered: Gathered,
    categories: Mapping[str, str],
    source: Path,
    pack: Pack | None,
    writing: Writing,
) -> Iterator[str]:
    written = plan.proposed if writing.facts else []
    ids = plan.record.ids
    _check_data(source, pack)
    beside = Beside({ids[draft.key]: draft for draft in gathered.drafts} if _shows_two(pack) else {})
    for draft in gathered.drafts:
        id = ids[draft.key]
        if id in plan.files:
            facts = {fact.name: fact.value for fact in written if fact.article == id}
            reply = "" if id in plan.answered else referring(draft.text, {**draft.facts, **facts})
            intent = intent_of(categories.get(draft.key, ""))
            yield from example_lines(draft, id, reply, intent, source.name, beside)


def _shows_two(pack: Pack | None) -> bool:
    """Whether serving shows a second article beside the right one."""
    return pack is None or pack.manifest.context.passages > 1


def _data_name(source: Path) -> str:
    return f"data/{file_slug(source.name)}.jsonl"


def _check_data(source: Path, pack: Pack | None) -> None:
    """The examples' file must be one that the pack reads, and not somebody else's."""
    if pack is None:
        return
    name = _data_name(source)
    if not any(fits(name, pattern) for pattern in pack.manifest.data.train):
        why = f"{name} fits none of data.train"
        problem = Problem(str(pack.path / MANIFEST), 0, "data.train", why, "add data/*.jsonl")
        raise DataInvalid(f"{source.name}: nothing was imported", [problem])
    path = pack.path / name
    first = next(read_jsonl(path), None) if path.exists() else None
    if first is not None and (first.record or {}).get("origin") != source.name:
        problem = Problem(
            str(path), 1, "origin", f"was not made by an import of {source.name}", "rename one of the two"
        )
        raise DataInvalid(f"{source.name}: nothing was imported", [problem])


def _write(plan: _Plan, folder: Path, source: Path, pack: Pack | None, writing: Writing) -> None:
    if pack is None:
        with new_folder(folder) as temporary:
            write_minimal(temporary, writing.new_pack or NewPack.of(folder.name))
            with (temporary / MANIFEST).open("a", encoding="utf-8") as manifest:
                manifest.write(_SHOWN)
            data = temporary / (_data_name(source) if plan.lines else "data/conversations.jsonl")
            data.write_text("".join(plan.lines), encoding="utf-8")
            _fill(temporary / KNOWLEDGE, plan, keep_removed=False)
            read_manifest(temporary)
        return
    # Examples name articles: while the two change places, the articles of both must be there.
    both = bool(plan.lines and plan.removed)
    with replaced_folder(folder / KNOWLEDGE) as knowledge:
        _fill(knowledge, plan, keep_removed=both)
    if plan.lines:
        with replaced_file(folder / _data_name(source)) as file:
            file.writelines(plan.lines)
    if both:
        with replaced_folder(folder / KNOWLEDGE) as knowledge:
            _fill(knowledge, plan, keep_removed=False)


def _fill(knowledge: Path, plan: _Plan, *, keep_removed: bool) -> None:
    """Writes articles and record; each article is read back, so that none can break its pack."""
    knowledge.mkdir(parents=True, exist_ok=True)
    for id, text in plan.files.items():
        path = knowledge / f"{id}.md"
        path.unlink(missing_ok=True)  # it may be a link
        path.write_text(text, encoding="utf-8", newline="\n")
        read_article(path)
    for id in () if keep_removed else plan.removed:
        (knowledge / f"{id}.md").unlink(missing_ok=True)
    path = record_path(knowledge, plan.record.name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(plan.record.text(), encoding="utf-8")


def _texts(knowledge: Path, ids: Iterable[str]) -> dict[str, str]:
    paths = {id: knowledge / f"{id}.md" for id in ids}
    return {id: path.read_text(encoding="utf-8") for id, path in paths.items() if path.is_file()}


def _notes(pack: Pack | None, plan: _Plan, writing: Writing) -> Iterator[str]:
    if pack is not None and pack.manifest.context.passages == 0:
        yield "pack.yaml shows the model no article: set context.passages to 2"
    if pack is None and not plan.lines:
        yield "the new pack has no examples yet: write some to data/conversations.jsonl before you tune it"
    taken = {article.id for article in pack.articles} if pack else set()
    for id in plan.files:
        if (wanted := re.sub(r"-[0-9a-f]{6}$", "", id)) != id and wanted in taken - set(plan.files):
            yield f"the id {wanted} is taken by another article, so this one became {id}: do the two agree?"
    if plan.proposed and not writing.facts:
        yield "review the proposed facts; --propose-facts writes them into the articles' front matter"


def _report(
    plan: _Plan,
    gathered: Gathered,
    folder: Path,
    before: Mapping[str, str],
    pack: Pack | None,
    created: bool,
    writing: Writing,
) -> KnowledgeReport:
    added: Sequence[str] = [id for id in plan.files if id not in before]
    updated = [id for id, text in plan.files.items() if id in before and before[id] != text]
    return KnowledgeReport(
        target=folder / KNOWLEDGE,
        pages=gathered.pages,
        articles=len(plan.files),
        split=gathered.split,
        added=tuple(added),
        updated=tuple(updated),
        same=len(plan.files) - len(added) - len(updated),
        removed=tuple(plan.removed),
        edited=tuple(plan.edited),
        refused=tuple(gathered.refused[:MOST_LISTED]),
        left_out=tuple(gathered.left_out),
        changed=tuple(gathered.changed),
        suspicious=tuple(gathered.suspicious),
        alike=tuple(gathered.alike),
        proposed=tuple(plan.proposed),
        notes=tuple(_notes(pack, plan, writing)),
        examples=len(plan.lines),
        created=created and not writing.dry_run,
        dry_run=writing.dry_run,
    )
