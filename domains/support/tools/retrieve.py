"""Writes down which articles retrieval brings for the seeds' words: `retrieved.json`, read by generate.py.

    python tools/retrieve.py

Run it after changing an article or a seed, before generate.py (a minute; it needs senmon and its sentence
encoder). So the data shows the model what serving will show it, wrong articles and wrong order included. An
article's own question is searched without that question in the index, or it would always come first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from seeds import ARTICLES, CHANGES, ORDERS, PACK, RETRIEVED_FILE, TALK

from senmon.assistant.evidence import within_budget
from senmon.embedding import Encoder
from senmon.knowledge import Knowledge
from senmon.packs.loader import load_pack
from senmon.packs.pack import Article

#: An article's questions are left out of the index in turn, one part of them at a time.
FOLDS = 4
#: Parts of the seeds that visitors don't say.
NOT_SAID = {"reply", "declined", "surface", "in_stock", "low", "sold_out"}
EXAMPLES = {"id": "A4182", "other": "A7305", "product": "ridge tent", "address": "12 Mill Lane, Thornby"}


def templates() -> list[str]:
    """Everything that visitors say in the seeds."""
    said = {words for article in ARTICLES for words in article["user"]}
    return sorted(said.union(leaves(ORDERS), leaves(CHANGES), leaves(TALK)))


def leaves(seeds: Any) -> Iterator[str]:
    if isinstance(seeds, str):
        yield seeds
    elif isinstance(seeds, list):
        yield from (text for each in seeds for text in leaves(each))
    else:
        yield from (text for name, each in seeds.items() if name not in NOT_SAID for text in leaves(each))


def without(article: Article, fold: int) -> Article:
    kept = (words for at, words in enumerate(article.questions) if at % FOLDS != fold)
    return replace(article, questions=tuple(kept))


def retrieve() -> dict[str, list[str]]:
    pack = load_pack(PACK)
    rules, encoder = pack.manifest.context, Encoder.find()
    own = {words: at for article in pack.articles for at, words in enumerate(article.questions)}
    folds = [Knowledge([without(each, fold) for each in pack.articles], encoder) for fold in range(FOLDS)]
    whole = Knowledge(pack.articles, encoder)
    found = {}
    for template in templates():
        knowledge = folds[own[template] % FOLDS] if template in own else whole
        text = re.sub(r"\{(\w+)\}", lambda match: EXAMPLES[match[1]], template)
        passages = knowledge.search(text, k=rules.passages, min_score=rules.min_score)
        found[template] = [each.id for each in within_budget(passages, rules.passage_tokens)]
    return found


if __name__ == "__main__":
    found = retrieve()
    text = json.dumps(found, ensure_ascii=False, indent=0, sort_keys=True)
    RETRIEVED_FILE.write_text(text + "\n", encoding="utf-8")
    print(f"{len(found)} texts, {sum(not names for names in found.values())} of them without an article")
