"""Retrieval over a pack's articles: sentence vectors and BM25 together, with a score that means something.

An article's lexical score is its BM25 (Robertson & Zaragoza 2009; `bm25s`, arXiv 2407.03618) as a share of
the most that the query could reach, so it lies in 0..1 and is 0 when no word is shared. Its semantic score
is the best cosine of the query with the title, a question or a paragraph group. The score is their weighted
sum, the greater part semantic; without an encoder it is the lexical one alone. About 0.35 separates the
relevant. Among those the order is by the score and by what the articles' questions taught (`preference`).
"""

from __future__ import annotations

import logging
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from senmon.embedding import Encoder
from senmon.knowledge.preference import Preference
from senmon.messages import Passage
from senmon.packs.pack import Article

PASSAGE_WORDS = 120
MAX_QUERY_CHARACTERS = 1000
#: Share of the sentence vectors in the score.
SEMANTIC = 0.7
#: Cosines of MiniLM vectors: of unrelated texts, and of a question and its answer in other words.
UNRELATED, SAME = 0.15, 0.7
#: The same of two messages of visitors: they open and thank alike, whatever they ask.
UNRELATED_ASKED, SAME_ASKED = 0.45, 0.85
#: Weight of the learnt preference in the order. Four folds of 47 articles' 1,266 questions, top 1 / top 3:
#: 68 / 86 % without it, 75 / 91 % with 1, 76 / 92 % with 2.
LEARNT = 1.5
#: BM25's k1 and b: little weight on repetition, little on length, for articles are short.
K1, B = 0.6, 0.4

Scores: TypeAlias = NDArray[np.float64]

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_STOP = """
a an the and or but if so of to in on at by for from with as into about than then that this these those
it its is are was were be been am do does did doing have has had having i me my mine we us our you your
he him his she her they them their what which who whom whose when where why how can could will would
shall should may might must not no nor only just also very too there here please tell know want need like
get got let hello hi hey thanks thank any some all much many more most other another up out over under
again s t don don't i'm it's what's how's there's
"""
_STOP_WORDS = frozenset(_STOP.split())


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A group of paragraphs of an article (by its index)."""

    article: int
    text: str


class Knowledge:
    """The articles of one pack. Immutable, deterministic, safe to share between threads."""

    def __init__(self, articles: Sequence[Article], encoder: Encoder | None) -> None:
        self._articles = tuple(articles)
        self._encoder = encoder
        self._chunks = tuple(
            _Chunk(at, text) for at, article in enumerate(self._articles) for text in chunks(article.text)
        )
        self._owner = np.array([chunk.article for chunk in self._chunks], dtype=np.int64)
        self._lexicon = _Lexicon([self._words(chunk) for chunk in self._chunks])
        headlines = [
            (at, text)
            for at, one in enumerate(self._articles)
            for text in (one.title, *one.questions)
            if text
        ]
        self._headline_owner = np.array([at for at, _ in headlines], dtype=np.int64)
        if encoder is not None:
            self._headlines = encoder.encode([text for _, text in headlines])
            self._preference = Preference.fit(self._headlines, self._headline_owner, len(self._articles))
            asked = [(at, text) for at, one in enumerate(self._articles) for text in one.asked]
            self._asked_owner = np.array([at for at, _ in asked], dtype=np.int64)
            self._asked = encoder.encode([text for _, text in asked]) if asked else self._headlines[:0]
            self._bodies = encoder.encode([self._body(chunk) for chunk in self._chunks])

    def search(self, query: str, *, k: int, min_score: float) -> tuple[Passage, ...]:
        """The `k` best articles among those that score at least `min_score` (0..1), best first.

        A longer article is cut to the group of paragraphs, about 120 words, that fits the query best.
        """
        query = query[:MAX_QUERY_CHARACTERS].strip()
        if not query or k < 1 or not self._chunks:
            return ()
        articles, parts = self._scores(query)
        relevant = np.flatnonzero((articles >= min_score) & (articles > 0))
        found = []
        for at in relevant[np.argsort(-self._order(query, articles)[relevant], kind="stable")][:k]:
            score = float(articles[at])
            mine = np.flatnonzero(self._owner == at)
            best = self._chunks[mine[np.argmax(parts[mine])]]
            found.append(replace(self._articles[at].passage(score), text=best.text))
        return tuple(found)

    def _order(self, query: str, articles: Scores) -> Scores:
        """What articles are sorted by."""
        if self._encoder is None or self._preference is None:
            return articles
        return articles + LEARNT * self._preference.shares(self._encoder.encode([query])[0])

    def _scores(self, query: str) -> tuple[Scores, Scores]:
        """Of each article and of each chunk."""
        lexical = self._lexicon.scores(terms(query))
        articles = self._best(lexical, self._owner)
        if self._encoder is None:
            return articles, lexical
        vector = self._encoder.encode([query])[0]
        bodies = meaning(self._bodies @ vector)
        semantic = np.maximum(
            self._best(bodies, self._owner),
            self._best(meaning(self._headlines @ vector), self._headline_owner),
        )
        alike = meaning(self._asked @ vector, UNRELATED_ASKED, SAME_ASKED)
        semantic = np.maximum(semantic, self._best(alike, self._asked_owner))
        return SEMANTIC * semantic + (1 - SEMANTIC) * articles, SEMANTIC * bodies + (1 - SEMANTIC) * lexical

    def _best(self, scores: Scores, owner: NDArray[np.int64]) -> Scores:
        best = np.zeros(len(self._articles))
        np.maximum.at(best, owner, scores)
        return best

    def _words(self, chunk: _Chunk) -> list[str]:
        article = self._articles[chunk.article]
        return [word for text in (article.title, *article.questions, chunk.text) for word in terms(text)]

    def _body(self, chunk: _Chunk) -> str:
        return f"{self._articles[chunk.article].title}. {chunk.text}"


def meaning(cosine: NDArray[np.float32], unrelated: float = UNRELATED, same: float = SAME) -> Scores:
    """Cosines of sentence vectors, stretched: what is unrelated comes near 0, a paraphrase near 1."""
    stretched: Scores = np.clip((cosine.astype(np.float64) - unrelated) / (same - unrelated), 0.0, 1.0)
    return stretched


def chunks(text: str, words: int = PASSAGE_WORDS) -> list[str]:
    """The text in groups of whole paragraphs of at most about `words` words; a longer paragraph stands alone,
    cut at sentences. Always at least one."""
    groups: list[list[str]] = [[]]
    size = 0
    for piece in _pieces(text, words):
        length = len(piece.split())
        if groups[-1] and size + length > words:
            groups.append([])
            size = 0
        groups[-1].append(piece)
        size += length
    return ["\n\n".join(group) for group in groups]


def _pieces(text: str, words: int) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        if len(paragraph.split()) <= words:
            yield paragraph.strip()
            continue
        part: list[str] = []
        for sentence in re.split(r"(?<=[.!?])\s+|\n", paragraph):
            for start in range(0, max(len(sentence.split()), 1), words):
                bit = sentence.split()[start : start + words]
                if part and len(part) + len(bit) > words:
                    yield " ".join(part)
                    part = []
                part += bit
        if part:
            yield " ".join(part)


def terms(text: str) -> list[str]:
    """Lower-case words without stop words, cut to a common stem: `returns`, `returned`, `return` are one."""
    words = _WORD.findall(unicodedata.normalize("NFKC", text).lower().replace("’", "'"))
    return [_stem(word) for word in words if word not in _STOP_WORDS]


def _stem(word: str) -> str:
    word = word.removesuffix("'s")
    for suffix in ("ings", "ing", "ed", "es", "s"):
        if word.endswith(suffix) and len(word) - len(suffix) >= 3 and not word.endswith("ss"):
            word = word.removesuffix(suffix)
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    return word[:-1] + "i" if word.endswith("y") and len(word) > 3 else word.removesuffix("e")


class _Lexicon:
    """BM25 over bags of words, as a share of what the query could reach at most."""

    def __init__(self, bags: Sequence[Sequence[str]]) -> None:
        self._count = len(bags)
        self._spread = Counter(word for bag in bags for word in set(bag))
        self._index: Any = None
        if self._spread:
            import bm25s

            logging.getLogger("bm25s").setLevel(logging.WARNING)  # importing it sets DEBUG
            self._index = bm25s.BM25(k1=K1, b=B, method="lucene")
            self._index.index([list(bag) for bag in bags], show_progress=False)

    def scores(self, query: Sequence[str]) -> Scores:
        """0..1 per bag: 1 when every word of the query occurs in a bag of usual length."""
        asked = sorted(set(query))
        known = [word for word in asked if word in self._spread]
        if not known:
            return np.zeros(self._count)
        reached = self._index.get_scores(known).astype(np.float64) * (1 + K1)
        shares: Scores = np.clip(reached / sum(map(self._weight, asked)), 0.0, 1.0)
        return shares

    def _weight(self, word: str) -> float:
        """Lucene's idf; a word that no article has weighs most."""
        spread = self._spread.get(word, 0)
        return math.log(1 + (self._count - spread + 0.5) / (spread + 0.5))
