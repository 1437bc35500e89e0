"""A knowledge article's file: Markdown under YAML front matter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, ValidationError

from senmon.errors import Problem
from senmon.packs.manifest import Strict
from senmon.packs.model_problems import model_problems
from senmon.packs.pack import Article
from senmon.packs.text_file import invalid, read_text
from senmon.packs.yaml_text import YamlText, parse_yaml

ID_PATTERN = r"[a-z0-9][a-z0-9_-]{0,63}"
FACT_PATTERN = r"[a-z_][a-z0-9_]*"


class FrontMatter(Strict):
    """What stands between the two `---` lines of an article."""

    title: str = Field(
        description="What the article is about, as shown to visitors.", min_length=1, max_length=200
    )
    url: str = Field("", description="Where it is published: https://… or a path such as /help/returns.")
    facts: Mapping[str, str | int | float] = Field(
        default_factory=dict, description="Name → value; replies refer to them as [[article.name]]."
    )
    questions: tuple[str, ...] = Field((), description="Questions that this article answers.")
    answer: str = Field(
        "",
        description="A reply of one to three sentences, with its facts as [[article.name]]; replies say it "
        "as [[answer.1]], the number being the passage's place.",
        max_length=600,
    )


def read_article(path: Path) -> Article:
    """The article in `path`; its id is the file's stem, its facts keep their spelling (`4.50` stays `4.50`).

    Raises PackInvalid with every problem of the file.
    """
    front, body, first_line = _divide(read_text(path), str(path))
    source = parse_yaml(front, str(path), first_line=first_line)
    try:
        matter = FrontMatter.model_validate(source.value if source.value is not None else {})
    except ValidationError as error:
        raise invalid(*model_problems(FrontMatter, error, source, str(path))) from error
    problems = [
        *_identity(path),
        *_links(matter, source, path),
        *_fact_names(matter, source, path),
        *_answer(matter, source, path),
    ]
    if not body.strip():
        problems.append(Problem(str(path), 0, "", "has no text", "write the article below the front matter"))
    if problems:
        raise invalid(*problems)
    facts = {name: source.scalars[("facts", name)] for name in matter.facts}
    return Article(path.stem, matter.title, body.strip(), matter.url, facts, matter.questions, matter.answer)


def _divide(text: str, path: str) -> tuple[str, str, int]:
    lines = text.split("\n")
    remedy = "begin the article with ---, title: …, ---"
    if lines[0].rstrip() != "---":
        raise invalid(Problem(path, 1, "", "has no front matter", remedy))
    for number, line in enumerate(lines[1:], start=1):
        if line.rstrip() == "---":
            return "\n".join(lines[1:number]), "\n".join(lines[number + 1 :]), 2
    raise invalid(Problem(path, 1, "", "front matter has no end", "close it with a line ---"))


def _identity(path: Path) -> list[Problem]:
    if re.fullmatch(ID_PATTERN, path.stem):
        return []
    remedy = "use lower-case letters, digits, - and _, at most 64"
    return [Problem(str(path), 0, "", "file name can't be an article id", remedy)]


def _links(matter: FrontMatter, source: YamlText, path: Path) -> list[Problem]:
    if re.fullmatch(r"(https?://|/(?!/))\S*|", matter.url):
        return []
    remedy = "write https://… or a path such as /help/returns"
    return [Problem(str(path), source.line(("url",)), "url", "is not a web address", remedy)]


def _fact_names(matter: FrontMatter, source: YamlText, path: Path) -> list[Problem]:
    wrong = [name for name in matter.facts if not re.fullmatch(FACT_PATTERN, name)]
    remedy = "use lower-case letters, digits and _, so that [[article.name]] can refer to it"
    why = "is not a name for a fact"
    return [Problem(str(path), source.line(("facts", name)), f"facts.{name}", why, remedy) for name in wrong]


def _answer(matter: FrontMatter, source: YamlText, path: Path) -> list[Problem]:
    """An answer names only its own article's facts; anything else would reach visitors as brackets."""
    known = {f"[[article.{name}]]" for name in matter.facts}
    named = re.findall(r"\[\[.*?\]\]", matter.answer)
    broken = "[[" in re.sub(r"\[\[.*?\]\]", "", matter.answer) or set(named) - known
    if not broken:
        return []
    wrong = ", ".join(sorted(set(named) - known)) or "a half reference"
    remedy = f"known here: {', '.join(sorted(known)) or 'none'}"
    return [Problem(str(path), source.line(("answer",)), "answer", f"refers to {wrong}", remedy)]
