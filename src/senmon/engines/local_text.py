"""Tokens → text while they come: bytes per token, UTF-8 across token borders, stop strings."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from senmon.engines.stops import Piece, StopWatch
from senmon.rendering import CALL_START, Renderer


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What each token stands for.

    `pieces[id]` are a token's bytes, empty for control tokens. `forbidden` is a bool tensor [vocabulary]
    on the model's device: tokens that a reply must never contain, the start of a call among them.
    """

    pieces: tuple[bytes, ...]
    stop_ids: frozenset[int]
    tool_start: int | None
    forbidden: torch.Tensor

    @classmethod
    def build(
        cls, tokenizer: Any, renderer: Renderer, pieces: Sequence[bytes], device: torch.device
    ) -> Vocabulary:
        """`pieces[id]` are the bytes of a token as text, for every row of the model's output."""
        markers = {renderer.tool_start, renderer.tool_end} - {None}
        # Rows beyond the tokenizer's vocabulary are padding of the embedding matrix.
        unused = set(range(len(pieces))) - set(tokenizer.get_vocab().values())
        silent = renderer.forbidden_ids | renderer.stop_ids | markers | unused
        forbidden = torch.zeros(len(pieces), dtype=torch.bool)
        forbidden[sorted(silent - renderer.stop_ids)] = True
        spoken = tuple(b"" if id in silent else piece for id, piece in enumerate(pieces))
        return cls(spoken, renderer.stop_ids, renderer.tool_start, forbidden.to(device))


class TextStream:
    """The text of one reply. Bytes that are no UTF-8 are dropped, a split character waits for its rest."""

    def __init__(self, stops: Sequence[str]) -> None:
        # The marker spelt in ordinary tokens never reaches a visitor: it begins a call, or ends the reply.
        self._watch = StopWatch((*stops, CALL_START))
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="ignore")

    def feed(self, piece: bytes) -> Piece:
        return self._watch.feed(self._decoder.decode(piece))

    def unread(self, rest: str) -> int:
        """How many of the bytes fed last lie behind a stop string that left `rest`."""
        return len(rest.encode("utf-8")) + len(self._decoder.getstate()[0])

    def flush(self) -> str:
        return self._watch.flush()
