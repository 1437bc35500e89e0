"""Grammar-constrained calls: which tokens may come next, by llguidance's JSON Schema matcher."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from senmon.engines.call_schema import AllowedCall
from senmon.errors import EngineError, EngineUnavailable

#: Same separators as `json.dumps`, which renders the calls of the training data.
_STYLE = {"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": False, "lenient": True}
_KEPT = 64


class CallMatcher:
    """The state of one call being written. Not thread-safe."""

    def __init__(self, matcher: Any) -> None:
        self._matcher = matcher

    def allowed(self, size: int) -> torch.Tensor:
        """Bool [size] on the CPU: the tokens that may come next."""
        words = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        bits = np.unpackbits(words, bitorder="little")[:size].astype(bool)
        return torch.from_numpy(bits)

    def consume(self, token: int) -> bool:
        """Takes a token; True when the call is complete. Raises EngineError for one that doesn't fit."""
        if not self._matcher.consume_token(token):
            raise EngineError(f"the call left its grammar: {self._matcher.get_error()}")
        return bool(self._matcher.is_accepting())

    def forced(self) -> list[int]:
        """Tokens that must come next whatever the model says (may be empty)."""
        return list(self._matcher.compute_ff_tokens())


class CallGrammars:
    """Compiles grammars of allowed calls; keeps the last ones. Used by one thread at a time."""

    def __init__(self, tokenizer: Any, vocabulary_size: int) -> None:
        """`tokenizer` is transformers' fast tokenizer. Raises EngineUnavailable when it can't be used."""
        import llguidance
        import llguidance.hf

        self._library = llguidance
        try:
            self.tokenizer = llguidance.hf.from_tokenizer(tokenizer, n_vocab=vocabulary_size)
        except Exception as error:  # the library raises plain exceptions of several kinds
            raise EngineUnavailable(
                f"this base's tokenizer can't be constrained by a grammar ({error})",
                remedy="choose a base with a fast tokenizer, or serve it with the openai engine",
            ) from error
        self._compiled: OrderedDict[str, Any] = OrderedDict()

    def compile(self, calls: Sequence[AllowedCall]) -> CallMatcher | None:
        """A matcher at its start, or None when nothing may be called. Raises EngineError."""
        if not calls:
            return None
        schema = json.dumps({"anyOf": [call.call_schema() for call in calls]}, ensure_ascii=False)
        matcher = self._compiled.pop(schema, None) or self._build(schema)
        self._compiled[schema] = matcher
        if len(self._compiled) > _KEPT:
            self._compiled.popitem(last=False)
        return CallMatcher(matcher.deep_copy())

    def _build(self, schema: str) -> Any:
        grammar = self._library.LLMatcher.grammar_from_json_schema(schema, overrides=_STYLE)
        matcher = self._library.LLMatcher(self.tokenizer, grammar, log_level=0)
        if matcher.is_error():
            raise EngineError(
                f"the parameters of a tool can't become a grammar: {matcher.get_error()}",
                remedy="simplify the JSON Schema in the action's `parameters`",
            )
        return matcher

    def pieces(self, size: int) -> tuple[bytes, ...]:
        """The bytes of every token."""
        return tuple(self.tokenizer.decode_bytes([id]) for id in range(size))

    def encode(self, piece: bytes) -> list[int]:
        """Tokens of plain bytes."""
        return list(self.tokenizer.tokenize_bytes(piece))
