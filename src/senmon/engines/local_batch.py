"""The running rows: prefill in pieces, one decode step for all, prefixes kept for later."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from senmon.engines.local_cache import PrefixCache
from senmon.engines.local_model import SlotModel
from senmon.engines.local_outbox import Letter, Outbox
from senmon.engines.local_row import Row
from senmon.engines.local_sampling import draw
from senmon.engines.local_text import Vocabulary
from senmon.errors import EngineUnavailable, SenmonError


class Batch:
    """Rows that decode are in slots 0…n−1, in order; the one that prefills is in slot n.

    `send` gets what goes out, `ended` is called once for each row that leaves. One thread only.
    """

    def __init__(
        self,
        model: SlotModel,
        prefixes: PrefixCache,
        vocabulary: Vocabulary,
        *,
        chunk: int,
        send: Callable[[Outbox, Letter], None],
        ended: Callable[[Row], None],
    ) -> None:
        self._model = model
        self._prefixes = prefixes
        self._vocabulary = vocabulary
        self._chunk = chunk
        self._send = send
        self._ended = ended
        self._rows: list[Row] = []
        self._filling: Row | None = None

    def __len__(self) -> int:
        return len(self._rows) + (self._filling is not None)

    def step(self, next_row: Callable[[], Row | None]) -> int:
        """Prefills `chunk` tokens at most, then decodes one token a row. Returns the tokens written."""
        self._drop_cancelled()
        written = self._prefill(next_row)
        written += self._run_forced()
        return written + self._decode()

    def fail(self, error: Exception) -> None:
        """Ends every row with EngineUnavailable and forgets the slots."""
        rows = [*self._rows, *([self._filling] if self._filling else [])]
        self._rows, self._filling = [], None
        for row in rows:
            self._fail_row(row, error)
        self._model.slots.drop()

    def rest(self) -> None:
        """Nothing runs: gives memory back."""
        self._model.slots.trim()
        self._model.bank.forget()

    def _drop_cancelled(self) -> None:
        if self._filling is not None and self._filling.job.outbox.cancelled:
            row, self._filling = self._filling, None
            self._keep(row, len(self._rows))
            self._ended(row)
        for row in self._rows:
            row.done = row.done or row.job.outbox.cancelled
        self._remove_done()

    def _prefill(self, next_row: Callable[[], Row | None]) -> int:
        budget, written = self._chunk, 0
        while budget > 0:
            row = self._filling or self._admit(next_row)
            if row is None:
                break
            # A prompt that a step could hold is not cut in two: small pieces waste the machine.
            count = min(self._chunk, len(row.pending))
            budget -= count
            try:
                written += self._fill(row, count)
            except Exception as error:  # one row's fault must not end the others
                self._filling = None
                self._fail_row(row, error)
                self._model.slots.clear(len(self._rows))
        self._remove_done()
        return written

    def _admit(self, next_row: Callable[[], Row | None]) -> Row | None:
        if len(self) >= self._model.slots.slots:
            return None
        row = self._filling = next_row()
        if row is None:
            return None
        slot = len(self._rows)
        for block, count in self._prefixes.find(row.job.space, row.pending):
            self._model.slots.write(slot, len(row.ids), block, count)
            row.ran(count)
        row.cached = len(row.ids)
        return row

    def _fill(self, row: Row, count: int) -> int:
        slot = len(self._rows)
        last = count == len(row.pending)
        logits = self._model.extend(slot, row.pending[:count], len(row.ids), row.job.adapter, logits=last)
        row.ran(count)
        if row.pending:
            return 0
        self._keep(row, slot)
        self._filling = None
        self._rows.append(row)
        return self._accept([row], logits)

    def _run_forced(self) -> int:
        """Rows with several tokens to run (forced parts of calls) run them in a pass of their own."""
        written = 0
        for slot, row in enumerate(self._rows):
            while not row.done and len(row.pending) > 1:
                try:
                    logits = self._model.extend(slot, row.pending, len(row.ids), row.job.adapter)
                    row.ran(len(row.pending))
                    written += self._accept([row], logits)
                except Exception as error:  # one row's fault must not end the others
                    self._fail_row(row, error)
        self._remove_done()
        return written

    def _decode(self) -> int:
        rows = list(self._rows)
        if not rows:
            return 0
        logits = self._model.decode(
            [row.pending[0] for row in rows],
            [len(row.ids) for row in rows],
            [row.job.adapter for row in rows],
        )
        for row in rows:
            row.ran(1)
        written = self._accept(rows, logits)
        self._remove_done()
        return written

    def _accept(self, rows: Sequence[Row], logits: torch.Tensor) -> int:
        """Chooses a token for each row and sends what it says."""
        for row, token in zip(rows, self._choose(rows, logits), strict=True):
            try:
                if token is None:
                    raise EngineUnavailable("the model left no token to choose")
                letter = row.take(token)
            except Exception as error:  # one row's fault must not end the others
                self._fail_row(row, error)
                continue
            if letter is not None:
                self._send(row.job.outbox, letter)
        return len(rows)

    def _choose(self, rows: Sequence[Row], logits: torch.Tensor) -> list[int | None]:
        """One token a row; None where no finite logit is left."""
        start = self._vocabulary.tool_start
        starts = logits[:, start].clone() if start is not None else None
        logits.masked_fill_(self._vocabulary.forbidden, -torch.inf)
        for index, row in enumerate(rows):
            try:
                row.restrict(logits[index], starts[index] if starts is not None else None)
            except Exception:  # one row's fault must not end the others: it fails below
                logits[index] = -torch.inf
        values, best = logits.max(dim=-1)
        chosen: list[int | None] = best.tolist()
        for index, (row, finite) in enumerate(zip(rows, values.isfinite().tolist(), strict=True)):
            if not finite:
                chosen[index] = None
            elif row.job.sampling.temperature > 0:
                chosen[index] = draw(logits[index], row.job.sampling, row.uniform())
        self._weigh(rows, logits, chosen)
        return chosen

    @staticmethod
    def _weigh(rows: Sequence[Row], logits: torch.Tensor, chosen: Sequence[int | None]) -> None:
        """Tell each row how probable its token was."""
        tokens = torch.tensor([token or 0 for token in chosen], device=logits.device)
        nats = logits.logsumexp(dim=-1) - logits.gather(1, tokens[:, None])[:, 0]
        for row, token, value in zip(rows, chosen, nats.tolist(), strict=True):
            if token is not None:
                row.weigh(value)

    def _keep(self, row: Row, slot: int) -> None:
        self._prefixes.keep(row.job.space, row.ids, self._model.slots, slot)

    def _fail_row(self, row: Row, error: Exception) -> None:
        if not isinstance(error, SenmonError):
            error = EngineUnavailable(f"generation failed: {type(error).__name__}: {error}")
        row.done = row.failed = True
        self._send(row.job.outbox, error)
        if row not in self._rows:
            self._ended(row)

    def _remove_done(self) -> None:
        """Frees slots: the last row moves into the gap. Last first, so that it never moves a done row."""
        slots = self._model.slots
        for slot in reversed(range(len(self._rows))):
            row = self._rows[slot]
            if not row.done:
                continue
            if row.failed:
                slots.clear(slot)
            else:
                self._keep(row, slot)
            last = len(self._rows) - 1
            if slot != last:
                slots.move(last, slot, len(self._rows[last].ids))
                self._rows[slot] = self._rows[last]
            self._rows.pop()
            if self._filling is not None:
                slots.move(last + 1, last, len(self._filling.ids))
            self._ended(row)
