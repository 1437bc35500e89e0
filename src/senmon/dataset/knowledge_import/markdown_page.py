"""Markdown (CommonMark, tables, front matter in YAML or TOML) → Page, by way of HTML.

One way for both formats: reference links are resolved, HTML within the text is cleaned, and a `# …` in a code
block is never a heading.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from markdown_it import MarkdownIt

from senmon.dataset.knowledge_import.html_page import read_html
from senmon.dataset.knowledge_import.page import Page
from senmon.errors import PackInvalid
from senmon.packs.yaml_text import parse_yaml

_LINK_FIELDS = ("url", "canonical_url", "canonical", "permalink")
_TEMPLATE_CODE = re.compile(r"\{%.{0,200}?%\}|\{\{[<%].{0,200}?[%>]\}\}|^import .{0,200} from ['\"]", re.M)


class PageLeftOut(Exception):
    """The page says itself that it is not published."""


@dataclass(frozen=True, slots=True)
class _Matter:
    values: Mapping[str, Any] = field(default_factory=dict)
    scalars: Mapping[tuple[str | int, ...], str] = field(default_factory=dict)
    lines: int = 0


def read_markdown(text: str, name: str, *, base: str = "", path: str = "") -> Page:
    """The page in `text`. Raises PageLeftOut for a draft, ValueError or PackInvalid for a broken page."""
    matter, body = _divide(text, path or name)
    if matter.values.get("draft") in (True, "true") or matter.values.get("published") in (False, "false"):
        raise PageLeftOut("is a draft")
    title = _text(matter, "title")
    url = next((found for each in _LINK_FIELDS if (found := _url(_text(matter, each)))), "")
    page = read_html(_html(body, matter.lines), name, base=base or url, title=title, url=url)
    notes = [*page.notes, *(["template code is kept as text"] if _TEMPLATE_CODE.search(body) else [])]
    notes += [f"front matter `{name}` is not taken over" for name in ("answer",) if name in matter.values]
    return replace(page, facts=_facts(matter), questions=_questions(matter), notes=tuple(notes))


def _html(body: str, offset: int) -> str:
    markdown = MarkdownIt("commonmark", {"html": True, "maxNesting": 30}).enable(["table", "strikethrough"])
    tokens = markdown.parse(body)
    for token in tokens:
        if token.type == "heading_open" and token.map:
            token.attrSet("data-line", str(token.map[0] + 1 + offset))
    rendered: str = markdown.renderer.render(tokens, markdown.options, {})
    return f"<body>{rendered}</body>"


def _divide(text: str, path: str) -> tuple[_Matter, str]:
    """Front matter and body. A text that begins with a rule and has no second one has no front matter."""
    match = re.match(r"(---|\+\+\+)[ \t]*\n(.*?)^\1[ \t]*(?:\n|\Z)", text.lstrip("\ufeff"), re.S | re.M)
    if not match:
        return _Matter(), text
    body = text.lstrip("\ufeff")[match.end() :]
    lines = match[0].count("\n")
    if match[1] == "+++":
        try:
            return _Matter(tomllib.loads(match[2]), {}, lines), body
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise ValueError(f"front matter is not TOML: {str(error)[:120]}") from error
    try:
        source = parse_yaml(match[2], path, first_line=2)
    except PackInvalid:
        if _is_table(match[2]):
            raise
        return _Matter(), text
    if not isinstance(source.value, dict):
        return (_Matter({}, {}, lines), body) if source.value is None else (_Matter(), text)
    return _Matter(source.value, source.scalars, lines), body


def _is_table(text: str) -> bool:
    """Whether it looks like `name: value`, and not like prose between two rules."""
    return re.match(r"\s*(?:#[^\n]*\n\s*)*[\w-]+\s*:(?:\s|$)", text) is not None


def _text(matter: _Matter, name: str) -> str:
    value = matter.scalars.get((name,)) or matter.values.get(name)
    return " ".join(str(value).split())[:200] if isinstance(value, str | int | float) else ""


def _url(text: str) -> str:
    return text if re.fullmatch(r"(https?://|/(?!/))\S+", text) else ""


def _facts(matter: _Matter) -> Mapping[str, str]:
    """Facts that the page names already, in senmon's own form."""
    given = matter.values.get("facts")
    if not isinstance(given, dict):
        return {}
    return {
        name: matter.scalars.get(("facts", name), str(value))
        for name, value in given.items()
        if re.fullmatch(r"[a-z_][a-z0-9_]*", name) and isinstance(value, str | int | float)
    }


def _questions(matter: _Matter) -> tuple[str, ...]:
    given = matter.values.get("questions")
    return tuple(each for each in given if isinstance(each, str)) if isinstance(given, list) else ()
