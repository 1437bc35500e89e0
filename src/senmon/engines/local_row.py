"""One running request: what it was asked, what it has written, what comes next."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass

import torch

from senmon.engines.local_grammar import CallMatcher
from senmon.engines.local_lora import LoadedAdapter
from senmon.engines.local_outbox import Outbox
from senmon.engines.local_text import TextStream, Vocabulary
from senmon.engines.protocol import Chunk, Sampling
from senmon.messages import FinishReason, Usage
from senmon.rendering import CALL_START, parse_call

#: So many tokens without a choice run in a pass of their own; fewer go with everybody's decode steps.
_WORTH_A_PASS = 4


@dataclass(frozen=True, slots=True)
class Job:
    """A prepared request. `matcher` None: nothing may be called. `must_call`: a call comes first. `party`:
    whose turn it takes."""

    ids: tuple[int, ...]
    adapter: LoadedAdapter | None
    sampling: Sampling
    matcher: CallMatcher | None
    outbox: Outbox
    must_call: bool = False
    party: tuple[str, ...] = ()

    @property
    def space(self) -> str:
        """Where this request's prefix blocks belong."""
        return self.adapter.version if self.adapter else ""


class Row:
    """`ids` are the tokens whose keys and values are in the slot, `pending` those to run next."""

    def __init__(
        self, job: Job, vocabulary: Vocabulary, context: int, encode: Callable[[bytes], list[int]]
    ) -> None:
        self.job = job
        self.ids: list[int] = []
        self.pending: list[int] = list(job.ids)
        self.cached = 0
        self.done = False
        self.failed = False
        self._vocabulary = vocabulary
        self._encode = encode
        self._room = min(job.sampling.max_tokens, context - len(job.ids))
        self.written = 0
        self._text = TextStream(job.sampling.stop)
        self._call: CallMatcher | None = None
        self._call_bytes = bytearray()
        self._random = random.Random(job.sampling.seed)
        self._nats, self._weighed = 0.0, 0

    def ran(self, count: int) -> None:
        """The first `count` pending tokens went through the model."""
        self.ids.extend(self.pending[:count])
        del self.pending[:count]

    def uniform(self) -> float:
        """This row's own random number in [0, 1)."""
        return self._random.random()

    def restrict(self, logits: torch.Tensor, start_logit: torch.Tensor | None) -> None:
        """Masks `logits` [vocabulary] in place for what this row may write; control tokens are masked."""
        if self._call is not None:
            allowed = self._call.allowed(len(logits)).to(logits.device)
            logits.masked_fill_(~allowed, -torch.inf)
        elif self.job.matcher is not None and start_logit is not None:
            if self.job.must_call and not self.written:
                logits.fill_(-torch.inf)
            logits[self._vocabulary.tool_start] = start_logit

    def weigh(self, nats: float) -> None:
        """The negative log probability of the next token. Inside a call the grammar chooses too."""
        if self._call is None:
            self._nats += nats
            self._weighed += 1

    def take(self, token: int) -> Chunk | None:
        """The next token was chosen. What goes out for it, if anything; sets `done`."""
        self.written += 1
        if self._call is not None:
            return self._take_in_call(token)
        if token in self._vocabulary.stop_ids:
            return self._end("stop", self._text.flush())
        self.pending = [token]
        if token == self._vocabulary.tool_start:
            return self._begin_call(self._text.flush())
        return self._take_text(self._vocabulary.pieces[token])

    def _take_text(self, data: bytes) -> Chunk | None:
        piece = self._text.feed(data)
        if piece.found is None:
            return self._go_on(piece.text)
        if piece.found != CALL_START or self.job.matcher is None:
            return self._end("stop", piece.text)
        # The marker came as text: bytes of its last token that lie behind it are forgotten.
        if behind := self._text.unread(piece.rest):
            self.pending = self._encode(data[: len(data) - behind])
            self.written += len(self.pending) - 1
        return self._begin_call(piece.text)

    def _go_on(self, text: str) -> Chunk | None:
        if self.written >= self._room:
            return self._end("length", text + self._text.flush())
        return Chunk(text) if text else None

    def _begin_call(self, text: str) -> Chunk | None:
        assert self.job.matcher is not None
        self._call = self.job.matcher
        return self._run_forced(text)

    def _take_in_call(self, token: int) -> Chunk | None:
        self.pending = [token]
        return self._end_call() if self._consume(token) else self._run_forced("")

    def _run_forced(self, text: str) -> Chunk | None:
        """Appends the tokens that the grammar leaves no choice about: they need no sampling."""
        assert self._call is not None
        forced = self._call.forced()
        for token in forced if len(forced) >= _WORTH_A_PASS else ():
            if self.written >= self._room:
                break
            self.written += 1
            self.pending.append(token)
            if self._consume(token):
                return self._end_call(text)
        if self.written >= self._room:
            return self._end("length", text)
        return Chunk(text) if text else None

    def _consume(self, token: int) -> bool:
        assert self._call is not None
        self._call_bytes += self._vocabulary.pieces[token]
        return self._call.consume(token)

    def _end_call(self, text: str = "") -> Chunk:
        body = self._call_bytes.decode("utf-8")
        # Equal calls of one conversation differ by their place in it.
        place = f"{len(self.ids)}:{body}"
        call = parse_call(body, id="call_" + hashlib.sha256(place.encode()).hexdigest()[:12])
        self.done = True
        return Chunk(text, tool_call=call, finish="tool_calls", usage=self._usage())

    def _end(self, finish: FinishReason, text: str) -> Chunk:
        self.done = True
        return Chunk(text, finish=finish, usage=self._usage())

    def _usage(self) -> Usage:
        return Usage(len(self.job.ids), self.written, self.cached, self._nats, self._weighed)
