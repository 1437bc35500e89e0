"""A tokenizer that knows no special tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any


class PlainEncoder:
    """Text → ids in which no added token can occur.

    Works on a copy: `split_special_tokens` of transformers flips a switch of the shared tokenizer, which
    another thread could flip back in between.
    """

    def __init__(self, tokenizer: Any) -> None:
        backend = tokenizer.backend_tokenizer
        self._copy = type(backend).from_str(backend.to_str())
        self._copy.no_padding()
        self._copy.no_truncation()
        self._copy.encode_special_tokens = True
        self.added = {id: token.content for id, token in tokenizer.added_tokens_decoder.items()}
        self._long = frozenset(id for id, content in self.added.items() if len(content) > 1)
        tokens = tokenizer.added_tokens_decoder.values()
        contents = {token.content.strip() for token in tokens if not token.special}
        markers = sorted((text for text in contents if len(text) > 1), key=len, reverse=True)
        self._marker = re.compile("|".join(map(re.escape, markers)) or "(?!)")

    def __call__(self, text: str) -> tuple[int, ...]:
        ids = self._encode(text)
        if self._long.isdisjoint(ids):
            return tuple(ids)
        # Added tokens that aren't flagged special (Qwen's <tool_call>) are still matched: cut through them.
        cuts = [0, *(match.start() + 1 for match in self._marker.finditer(text)), len(text)]
        return tuple(id for start, end in pairwise(cuts) for id in self._piece(text[start:end]))

    def _piece(self, text: str) -> list[int]:
        ids = self._encode(text)
        if self._long.isdisjoint(ids):
            return ids
        return [id for letter in text for id in self._encode(letter)]

    def _encode(self, text: str) -> list[int]:
        return list(self._copy.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        return str(self._copy.decode(list(ids), skip_special_tokens=False))
