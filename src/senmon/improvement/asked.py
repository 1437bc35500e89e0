"""What reviewers showed an article for is a question that the article answers: retrieval learns it too.

The questions belong to the adapter that learnt the lines: with a rollback they go, so that every former
answer is given again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from senmon.improvement.screening import DATA
from senmon.packs.jsonl import read_jsonl
from senmon.packs.pack import Article, Pack

#: Of an article, the newest of them: each is one vector more to compare with.
MOST = 200


def articles_as_asked(pack: Pack, learnt: Collection[str]) -> tuple[Article, ...]:
    """The articles, each with the requests of the lines `learnt` (ids) that show it."""
    found: dict[str, list[str]] = defaultdict(list)
    if learnt and (pack.path / DATA).exists():
        for line in read_jsonl(pack.path / DATA):
            if line.record is not None and line.record.get("id") in learnt:
                for article, request in _shown(line.record):
                    found[article].append(request)
    return tuple(
        replace(one, asked=tuple(dict.fromkeys(found[one.id][-MOST:]))) if one.id in found else one
        for one in pack.articles
    )


def _shown(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Article and request of each turn of a line."""
    request = ""
    for message in record.get("messages", ()):
        if message.get("role") == "user":
            request = str(message.get("content", "")).strip()
        elif request:
            yield from ((str(article), request) for article in message.get("passages", ()))
