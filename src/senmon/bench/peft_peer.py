"""Serving many adapters with transformers and PEFT, as their documentation shows it."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from peft import PeftModel

from senmon.adapters import Adapter
from senmon.bases.catalog import BaseFiles, load_model
from senmon.bench.serve_load import Ask


@dataclass(slots=True)
class Served:
    """What one request got: new tokens (or text), and seconds after its arrival to the first and the last."""

    ids: list[int] = field(default_factory=list)
    text: str | None = None
    count: int = 0
    first: float = 0.0
    last: float = 0.0


class PeftPeer:
    """One model with all adapters loaded. Greedy."""

    def __init__(self, base: BaseFiles, adapters: Sequence[Adapter], stops: Sequence[int], pad: int) -> None:
        first, *rest = adapters
        self._model: Any = PeftModel.from_pretrained(load_model(base), first.path, adapter_name=first.pack)
        for adapter in rest:
            self._model.load_adapter(adapter.path, adapter_name=adapter.pack)
        self._model.eval()
        self._stops, self._pad = list(stops), pad
        self._lock = threading.Lock()

    def one_by_one(self, asks: Sequence[Ask]) -> list[Served]:
        """`set_adapter` under a lock, one request at a time, in the order of arrival."""
        served, began = [], time.perf_counter()
        for ask in asks:
            _wait_until(began + ask.at)
            with self._lock:
                self._model.set_adapter(ask.adapter.pack)
                served += self._generate([ask], began, {})
        return served

    def mixed_batches(self, asks: Sequence[Ask]) -> list[Served]:
        """`generate(adapter_names=…)` over all that wait: a static batch, then the next."""
        served: list[Served] = []
        waiting, began = list(asks), time.perf_counter()
        while waiting:
            _wait_until(began + waiting[0].at)
            passed = time.perf_counter() - began
            batch = [ask for ask in waiting if ask.at <= passed]
            waiting = waiting[len(batch) :]
            served += self._generate(batch, began, {"adapter_names": [ask.adapter.pack for ask in batch]})
        return served

    def _generate(self, batch: Sequence[Ask], began: float, extra: dict[str, Any]) -> list[Served]:
        width = max(len(ask.ids) for ask in batch)
        ids = torch.full((len(batch), width), self._pad)
        mask = torch.zeros_like(ids)
        for row, ask in enumerate(batch):
            ids[row, width - len(ask.ids) :] = torch.tensor(ask.ids)
            mask[row, width - len(ask.ids) :] = 1
        times: list[float] = []
        output = self._model.generate(
            input_ids=ids,
            attention_mask=mask,
            do_sample=False,
            max_new_tokens=batch[0].request.sampling.max_tokens,
            eos_token_id=self._stops,
            pad_token_id=self._pad,
            stopping_criteria=[_Watch(times)],
            **extra,
        )
        return [
            self._served(row[width:].tolist(), ask, began, times)
            for row, ask in zip(output, batch, strict=True)
        ]

    def _served(self, ids: list[int], ask: Ask, began: float, times: list[float]) -> Served:
        stop = next((at for at, id in enumerate(ids) if id in self._stops), None)
        count = len(ids) if stop is None else stop + 1
        arrived = began + ask.at
        return Served(ids[:stop], None, count, times[0] - arrived, times[count - 1] - arrived)

    @torch.inference_mode()
    def gap(self, ask: Ask, said: Sequence[int]) -> float:
        """Difference of the two greatest logits after the prompt and `said`."""
        self._model.set_adapter(ask.adapter.pack)
        logits = self._model(input_ids=torch.tensor([[*ask.ids, *said]]), logits_to_keep=1).logits[0, -1]
        high, low = logits.topk(2).values.tolist()
        return float(high - low)


class _Watch:
    """A stopping criterion that never stops: notes when each token came."""

    def __init__(self, times: list[float]) -> None:
        self._times = times

    def __call__(self, ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        self._times.append(time.perf_counter())
        return torch.zeros(len(ids), dtype=torch.bool)


def _wait_until(moment: float) -> None:
    if (rest := moment - time.perf_counter()) > 0:
        time.sleep(rest)
