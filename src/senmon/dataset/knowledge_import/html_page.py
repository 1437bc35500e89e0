"""HTML → Page: the main content as Markdown, without navigation, scripts, images and hidden text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

from bs4 import BeautifulSoup, Tag
from markdownify import MarkdownConverter

from senmon.dataset.knowledge_import.page import Page, Section
from senmon.dataset.knowledge_import.text_encoding import visible
from senmon.dataset.knowledge_import.tidy_html import tidy_html

FURNITURE = "nav, footer, aside, form, [role=navigation], [role=banner], [role=contentinfo], [role=search]"
_FURNITURE_CLASS = re.compile(
    r"^(?:breadcrumbs?|cookie[\w-]*|sidebar|side-bar|skip-link|share(?:-\w+)?|social[\w-]*|pagination|toc|"
    r"table-of-contents|article-votes?|votes?|related-articles|recent-articles|site-header|site-footer|"
    r"navbar|menu|newsletter|headerlink|anchor-link)$",
    re.I,
)
_SITE = re.compile(r"\s+[|–—·»]\s+.*$|\s+-\s+[^-]*$")
_MARK = "\x02"
_LINKS = ("http", "https", "mailto", "tel")


class _Markdown(MarkdownConverter):
    """Images become their alt text; links lead to what a visitor can open, or lose their target."""

    def __init__(self, base: str) -> None:
        super().__init__(
            heading_style="ATX", bullets="-", escape_asterisks=False, escape_underscores=False,
            code_language_callback=_language, table_infer_header=True, wrap=False, newline_style="backslash",
        )  # fmt: skip
        self.base = base

    def convert_img(self, el: Tag, text: str, parent_tags: Any) -> str:
        return " ".join(str(el.get("alt") or "").split())

    def convert_a(self, el: Tag, text: str, parent_tags: Any) -> str:
        href = resolved(str(el.get("href") or ""), self.base)
        label = " ".join(text.split())
        if not href or not label or "_noformat" in parent_tags:
            return label
        same = href.removeprefix("mailto:").removeprefix("tel:") == label
        return label if same else f"[{label}]({href})"

    def convert_td(self, el: Tag, text: str, parent_tags: Any) -> str:
        return str(super().convert_td(el, text.replace("|", "\\|"), parent_tags))  # type: ignore[misc]

    def convert_br(self, el: Tag, text: str, parent_tags: Any) -> str:
        return " " if "_inline" in parent_tags or "td" in parent_tags else "\n"


def _language(el: Tag) -> str:
    names = " ".join(map(str, [*el.get_attribute_list("class"), *_inner_classes(el)]))
    match = re.search(r"\b(?:language|lang|highlight)-([\w+#-]{1,20})", names)
    return match[1] if match else ""


def _inner_classes(el: Tag) -> list[Any]:
    code = el.find("code")
    return list(code.get_attribute_list("class")) if isinstance(code, Tag) else []


def resolved(href: str, base: str) -> str:
    """The address that a link leads to; empty when nobody outside could open it."""
    href = "".join(href.split())
    try:
        full = urljoin(base, href) if base else href
        scheme = urlsplit(full).scheme.lower()
    except ValueError:
        return ""
    if scheme in _LINKS or (not scheme and full.startswith("/") and not full.startswith("//")):
        return full.replace("(", "%28").replace(")", "%29")
    return ""


def read_html(text: str, name: str, *, base: str = "", title: str = "", url: str = "") -> Page:
    """The page in `text`. `base` resolves relative links; `title` and `url` win over the page's own.

    Raises ValueError saying why the page can't be read.
    """
    clean, hidden = tidy_html(visible(text))
    soup = BeautifulSoup(clean, "html.parser")
    address = url or _address(soup)
    notes = [f"{hidden} hidden element(s) left out"] if hidden else []
    content = _content(soup)
    removed = _remove_furniture(content)
    if removed:
        notes.append(f"{removed} piece(s) of navigation left out")
    if pictures := len(content.find_all("img")):
        notes.append(f"{pictures} image(s) dropped, their alternative text kept")
    heading = content.find("h1")
    own = _words(heading) if isinstance(heading, Tag) else ""
    title = title or own or _document_title(soup)
    sections = tuple(_sections(content, _Markdown(base or address), own, title))
    return Page(name, title, sections, address, notes=tuple(notes))


def _address(soup: BeautifulSoup) -> str:
    link = soup.select_one("link[rel=canonical][href]")
    meta = soup.select_one('meta[property="og:url"][content]')
    found = str(link["href"]) if link else str(meta["content"]) if meta else ""
    return found if re.fullmatch(r"https?://\S+", found) else ""


def _document_title(soup: BeautifulSoup) -> str:
    title = soup.find("title")
    words = _words(title) if isinstance(title, Tag) else ""
    return _SITE.sub("", words) or words


def _words(tag: Tag) -> str:
    return visible(" ".join(tag.get_text(" ").split())).rstrip("¶#").strip()


def _content(soup: BeautifulSoup) -> Tag:
    """`<main>` or the only `<article>`, where there is one with text in it; else the body."""
    candidates: list[Tag] = [*soup.select("main, [role=main]"), *soup.find_all("article")]
    for tag in candidates[:2]:
        if len(tag.get_text(" ").split()) > 5 and (tag.name != "article" or len(candidates) == 1):
            return tag
    body = soup.find("body")
    return body if isinstance(body, Tag) else soup


def _remove_furniture(content: Tag) -> int:
    found = [*content.select(FURNITURE), *content.find_all(class_=_FURNITURE_CLASS)]
    found += [tag for tag in content.find_all("header") if tag.find("h1") is None]
    found += content.find_all(("head", "title", "meta", "link"))
    worded = sum(bool(tag.get_text(strip=True)) for tag in found if tag.name not in ("head", "title"))
    for tag in found:
        if not tag.decomposed:
            tag.decompose()
    return worded


def _sections(content: Tag, markdown: _Markdown, own: str, title: str) -> Iterator[Section]:
    """Headings are marked in the tree, so that `# …` in a code block is never taken for one."""
    heads: list[Tag] = [
        tag for tag in content.find_all(re.compile(r"^h[1-6]$")) if tag.find_parent(("table", "pre")) is None
    ]
    found: list[Section] = []
    for number, tag in enumerate(heads):
        line = str(tag.get("data-line") or "0")
        found.append(
            Section(int(tag.name[1]), _words(tag), "", int(line) if line.isdigit() else 0, _anchor(tag))
        )
        tag.replace_with(f"\n\n{_MARK}{number}{_MARK}\n\n")
    text = visible_markdown(markdown.convert_soup(content))
    parts = re.split(f"{_MARK}(\\d+){_MARK}", text)
    yield Section(1, title, parts[0].strip(), 1)
    for mark, body in zip(parts[1::2], parts[2::2], strict=True):
        head = found[int(mark)]
        if head.level == 1 and head.title == own:
            yield Section(1, title, body.strip(), head.line, head.anchor)
        else:
            yield Section(head.level, head.title, body.strip(), head.line, head.anchor)


def _anchor(tag: Tag) -> str:
    inner = tag.find(("a", "span"), id=True)
    found = str(tag.get("id") or (inner.get("id") if isinstance(inner, Tag) else "") or "")
    return found if re.fullmatch(r"[\w.:-]{1,120}", found) else ""


def visible_markdown(text: str) -> str:
    """No invisible characters but the marks, no trailing spaces, no more than one empty line."""
    kept = _MARK.join(map(visible, text.split(_MARK)))
    lines = (line.rstrip() for line in kept.replace("\u00a0", " ").split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
