"""Bitext's customer-support data: requests with category, intent, language flags, entities and templates."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from senmon.dataset.call_rules import PackRules
from senmon.dataset.csv_rows import CsvFile, Row
from senmon.dataset.imports.bitext_slots import FACTS, Slots, Style, spoken
from senmon.dataset.imports.csv_format import is_label
from senmon.dataset.imports.imported import Imported, LeftOut
from senmon.dataset.imports.target import refusal
from senmon.dataset.normal_form import request_key
from senmon.errors import Problem
from senmon.packs.manifest_file import MANIFEST
from senmon.packs.pack import Article, Pack
from senmon.packs.text_file import MAX_TEXT_BYTES

COLUMNS = ("instruction", "intent", "response")
COMPANY = "company"
LICENCE = "CDLA-Sharing-1.0"
ATTRIBUTION = "Bitext, Customer Support LLM Chatbot Training Dataset, CDLA-Sharing-1.0"
_TITLE = "Name, website and support of the shop"
_TEXT = "How the shop is called and how its support is reached."
_ENTITY = re.compile(r"[a-z][a-z0-9_]{0,39}")


def is_evaluation(instruction: str) -> bool:
    """Whether a request belongs to the fixed evaluation split: a fifth, by the hash of its text."""
    return int(hashlib.sha256(instruction.strip().encode()).hexdigest(), 16) % 100 >= 80


@dataclass(frozen=True, slots=True)
class BitextFile:
    """`style`: `facts` (see `bitext_slots`), or `keep`: `{{support_phone}}`, in one spelling."""

    file: CsvFile
    style: Style = "facts"

    @classmethod
    def of(cls, path: Path, style: Style = "facts") -> BitextFile:
        """Raises DataInvalid when the file lacks a column of Bitext's."""
        return cls(CsvFile(path, COLUMNS, delimiter=None, encoding="utf-8"), style)

    def stream(self) -> Iterator[Imported | LeftOut | Problem]:
        """A request that differs from an evaluation request in long numbers or sentence marks alone is left
        out: in training it would give the answer away, and it is not one of the fixed fifth.
        """
        path, kept = str(self.file.path), self._evaluation()
        for row in self.file.rows():
            fault = ("", *row.fault) if row.fault else next(_faults(row), None)
            if fault:
                yield Problem(path, row.line, *fault)
            elif not is_evaluation(row.values["instruction"]) and _key(row) in kept:
                yield LeftOut("twins of evaluation requests")
            else:
                yield self._imported(row)

    def _evaluation(self) -> frozenset[int]:
        sound = (row for row in self.file.rows() if not row.fault)
        return frozenset(_key(row) for row in sound if is_evaluation(row.values["instruction"]))

    def _imported(self, row: Row) -> Imported:
        values = row.values
        slots = Slots(self.style, _entity(row))
        instruction = values["instruction"].strip()
        request, reply = slots.request(instruction), slots.reply(values["response"].strip())
        shown = [{"role": "tool", "name": "context", "passages": [COMPANY]}] if self.style == "facts" else []
        named = (f"slot:{name}" for name in slots.values)
        return Imported(
            str(self.file.path),
            row.line,
            [{"role": "user", "content": request}, *shown, {"role": "assistant", "content": reply}],
            intent=values["intent"].strip(),
            tags=(*_tags(row), *named, *["unfinished"] * slots.unfinished),
            split="test" if is_evaluation(instruction) else "",
            notes=tuple(slots.notes),
            slots=tuple(slots.used),
        )

    def rules(self, rules: PackRules, pack: Pack | None) -> PackRules:
        """`rules` with the article of the shop's facts. Raises DataInvalid when the pack can't fill them."""
        if self.style == "keep":
            return rules
        article = _company()
        if pack is not None:
            article = next((found for found in pack.articles if found.id == COMPANY), article)
            if pack.manifest.context.passages == 0:
                why = "is 0, so the shop's facts would never reach a reply"
                place = str(pack.path / MANIFEST)
                problem = Problem(place, 0, "context.passages", why, "set it to 1 or more")
                raise refusal(self.file.path.name, problem)
            if missing := sorted(set(FACTS) - set(article.facts)):
                place = str(pack.path / "knowledge" / f"{COMPANY}.md")
                why = f"lacks the facts {', '.join(missing)}"
                raise refusal(self.file.path.name, Problem(place, 0, "facts", why, "add them"))
        return replace(rules, passages={**rules.passages, COMPANY: article.passage()})

    def furnish(self, folder: Path) -> None:
        """Adds the article of the shop's facts where there is none; a new pack looks articles up."""
        path = folder / "knowledge" / f"{COMPANY}.md"
        if self.style == "keep" or path.exists():
            return
        path.parent.mkdir(exist_ok=True)
        path.write_text(_article_text(), encoding="utf-8")
        manifest = folder / MANIFEST
        if manifest.stat().st_size < MAX_TEXT_BYTES and "\ncontext:" not in manifest.read_text("utf-8"):
            with manifest.open("a", encoding="utf-8") as file:
                file.write("context:\n  passages: 1\n  min_score: 0.0\n")


def _key(row: Row) -> int:
    return hash(request_key(row.values["instruction"]))


def _company() -> Article:
    return Article(COMPANY, _TITLE, _TEXT, facts=dict(FACTS))


def _article_text() -> str:
    facts = "".join(f"  {name}: {json.dumps(value)}\n" for name, value in FACTS.items())
    return f"---\ntitle: {_TITLE}\nfacts:\n{facts}---\n{_TEXT}\n"


def _entity(row: Row) -> dict[str, str]:
    kind = row.values.get("entity_type", "").strip()
    value = spoken(row.values["instruction"], row.values.get("entity_value", ""))
    return {kind: value} if value and _ENTITY.fullmatch(kind) else {}


def _tags(row: Row) -> Iterator[str]:
    category = row.values.get("category", "").strip().lower()
    if is_label(category):
        yield f"category:{category}"
    flags = row.values.get("flags") or row.values.get("tags") or ""
    yield from (f"flag:{letter}" for letter in dict.fromkeys(flags.strip().upper()) if letter.isalpha())


def _faults(row: Row) -> Iterator[tuple[str, str, str]]:
    for name in COLUMNS:
        if not row.values[name].strip():
            yield name, "is empty", "fill it in, or leave the row out"
    if not is_label(row.values["intent"].strip()):
        yield "intent", "is not a label", "use at most 80 printable characters"
