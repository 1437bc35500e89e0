"""Questions and an answer → one-turn examples that show the article and answer from it."""

from __future__ import annotations

import json
import re
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping

from senmon.dataset.knowledge_import.page import Draft
from senmon.dataset.normal_form import normalised
from senmon.messages import CONTEXT

INTENT = "faq"
#: Characters of an `answer`.
MOST_ANSWER = 600
#: A word that more articles have says nothing of what is near.
MOST_HAVING = 200
#: Lines of lists, tables, headings, quotations and code: these can't be said in one breath.
_MARKED = re.compile(r"\s*(?:[-*+•]\s|\d+[.)]\s|#|>|\||```|~~~| {4})")
_LABEL = re.compile(r"[^\w/-]+")


class Beside:
    """What retrieval would show beside the right article: the other whose words are nearest to a question."""

    def __init__(self, drafts: Mapping[str, Draft]) -> None:
        self._words = {
            id: frozenset(normalised(" ".join((draft.title, *draft.questions, draft.text))).split())
            for id, draft in drafts.items()
        }
        self._ids: dict[str, list[str]] = defaultdict(list)
        for id, words in self._words.items():
            for word in words:
                self._ids[word].append(id)

    def nearest(self, question: str, article: str) -> str:
        """Its id; empty when no other has a rare word in common."""
        scores: dict[str, float] = defaultdict(float)
        for word in sorted(set(normalised(question).split())):
            having = self._ids.get(word, ())
            for id in having if len(having) <= MOST_HAVING else ():
                scores[id] += 1 / len(having)
        scores.pop(article, None)
        return min(scores, key=lambda id: (-scores[id], id), default="")


def example_lines(
    draft: Draft, article: str, reply: str, intent: str, origin: str, beside: Beside
) -> Iterator[str]:
    """A data line per question. Without `reply` it is the article's `answer`, by its place in the context."""
    for question in (draft.title, *draft.questions):
        other = beside.nearest(question, article)
        first = not other or zlib.crc32(question.encode("utf-8", "replace")) % 2 == 0
        shown = [article, *([other] if other else [])]
        messages = [
            {"role": "user", "content": question},
            {"role": "tool", "name": CONTEXT, "passages": shown if first else shown[::-1]},
            {"role": "assistant", "content": reply or f"[[answer.{1 if first else 2}]]"},
        ]
        record = {"messages": messages, "intent": intent, "origin": origin}
        yield json.dumps(record, ensure_ascii=False) + "\n"


def short_answer(text: str, facts: Mapping[str, str]) -> str:
    """What replies can say as a whole, known facts by name: a text of one plain paragraph, else nothing."""
    lines = text.strip().split("\n")
    plain = not any(_MARKED.match(line) or not line.strip() for line in lines)
    answer = referring(" ".join(" ".join(lines).split()), facts)
    fits = plain and "[[" not in text and len(answer) <= MOST_ANSWER
    return answer if fits else ""


def referring(text: str, facts: Mapping[str, str]) -> str:
    """`text` with each value replaced by its fact's name; longer values first, never within a longer word."""
    for name, value in sorted(facts.items(), key=lambda item: -len(item[1])):
        whole = rf"(?<![\w.,\[]){re.escape(value)}(?![\w\]]|[.,]\d)"
        text = re.sub(whole, f"[[article.{name}]]", text)
    return text


def intent_of(category: str) -> str:
    """A label for a category: lower-case words with underscores; `faq` without one."""
    return "_".join(_LABEL.sub(" ", category).lower().split())[:80] or INTENT
