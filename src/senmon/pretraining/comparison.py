"""Several bases side by side: bits per byte of the same documents, and the probes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from senmon.bases.catalog import BaseFiles
from senmon.bases.facts import parameter_count, shown_name
from senmon.engines.local import LocalEngine
from senmon.engines.protocol import GenerateRequest, Sampling
from senmon.messages import Message
from senmon.pretraining.corpus import Document
from senmon.pretraining.heldout import Measured, measure_base
from senmon.pretraining.probes import PROBES, SAMPLES, Case, Generated, cases
from senmon.rendering import call_text
from senmon.wilson import wilson

SLOTS = 16
#: Enough for every probe; bounds the memory of the slots.
CONTEXT = 512
SHOWN_MISSES = 3
SHOWN_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Miss:
    """A case that a base failed: the last words of the prompt, what was wanted, what came."""

    prompt: str
    wanted: str
    reply: str


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Right answers of `cases`, as a share with Wilson's 95 % score interval; some of the misses."""

    name: str
    title: str
    cant: str
    right: int
    cases: int
    rate: float
    low: float
    high: float
    misses: tuple[Miss, ...] = ()


@dataclass(frozen=True, slots=True)
class BaseReport:
    """One base. `bits` per group; `samples` are (prompt, greedy reply)."""

    name: str
    digest: str
    parameters: int
    bits: Mapping[str, Measured] = field(default_factory=dict)
    probes: tuple[ProbeResult, ...] = ()
    samples: tuple[tuple[str, str], ...] = ()
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        bits = {}
        for group, measured in self.bits.items():
            low, high = measured.interval()
            bits[group] = {
                "value": round(measured.value, 4), "low": round(low, 4), "high": round(high, 4),
                "documents": len(measured.bits),
            }  # fmt: skip
        probes = {
            one.name: {k: v for k, v in asdict(one).items() if k not in ("title", "cant", "name")}
            for one in self.probes
        }
        return {
            "base": self.name,
            "digest": self.digest,
            "parameters": self.parameters,
            "bits_per_byte": bits,
            "probes": probes,
            "samples": [{"prompt": prompt, "reply": reply} for prompt, reply in self.samples],
            "seconds": round(self.seconds, 1),
        }


Tell = Callable[[str, int, int], None]


async def examine(
    base: BaseFiles,
    documents: Sequence[Document],
    *,
    count: int = 100,
    seed: int = 0,
    device: str = "cpu",
    threads: int | None = None,
    tell: Tell = lambda what, done, total: None,
) -> BaseReport:
    """Measure one base. `count` 0: no probes. Raises BaseError, EngineUnavailable, RenderError."""
    began = time.monotonic()
    bits: Mapping[str, Measured] = {}
    if documents:
        tell("bits per byte", 0, 1)
        bits = await asyncio.to_thread(measure_base, base, documents, device=device)
    probes: tuple[ProbeResult, ...] = ()
    samples: tuple[tuple[str, str], ...] = ()
    if count:
        probes, samples = await _probed(base, count, seed, device, threads, tell)
    return BaseReport(
        shown_name(base), base.digest, parameter_count(base), bits, probes, samples, time.monotonic() - began
    )


async def _probed(
    base: BaseFiles, count: int, seed: int, device: str, threads: int | None, tell: Tell
) -> tuple[tuple[ProbeResult, ...], tuple[tuple[str, str], ...]]:
    made = cases(count, seed=seed)
    engine = await asyncio.to_thread(
        LocalEngine,
        base,
        slots=SLOTS,
        queue=len(made) + len(SAMPLES),
        device=device,
        threads=threads,
        context=CONTEXT,
    )
    done = 0

    async def ask(case: Case) -> Generated:
        nonlocal done
        reply = await _generate(engine, case)
        done += 1
        tell("probes", done, len(made))
        return reply

    try:
        replies = await asyncio.gather(*(ask(case) for case in made))
        samples = [await _generate(engine, _sample(*sample)) for sample in SAMPLES]
    finally:
        await engine.close()
    shown = tuple((sample[1], _words(reply)) for sample, reply in zip(SAMPLES, samples, strict=True))
    return _judged(made, replies), shown


def _sample(system: str, question: str) -> Case:
    return Case((Message("system", system), Message("user", question)), {}, max_tokens=80)


async def _generate(engine: LocalEngine, case: Case) -> Generated:
    request = GenerateRequest(
        messages=case.messages, tools=case.tools, sampling=Sampling(max_tokens=case.max_tokens)
    )
    text, call = "", None
    async for chunk in engine.generate(request):
        text += chunk.text
        call = chunk.tool_call or call
    return Generated(text, call)


def _judged(made: Sequence[Case], replies: Sequence[Generated]) -> tuple[ProbeResult, ...]:
    results = []
    for probe in PROBES:
        pairs = [
            (case, reply) for case, reply in zip(made, replies, strict=True) if probe.name in case.judges
        ]
        missed = [(case, reply) for case, reply in pairs if not case.judges[probe.name](reply)]
        right = len(pairs) - len(missed)
        low, high = wilson(right, len(pairs))
        misses = tuple(
            Miss(case.messages[1].content, case.wanted, _words(reply))
            for case, reply in missed[:SHOWN_MISSES]
        )
        share = right / len(pairs)
        results.append(
            ProbeResult(probe.name, probe.title, probe.cant, right, len(pairs), share, low, high, misses)
        )
    return tuple(results)


def _words(reply: Generated) -> str:
    """What came, on one line and of bounded length: an untrained base says anything."""
    parts = (reply.text, call_text(reply.call) if reply.call else "")
    letters = (letter if letter.isprintable() else " " for letter in " ".join(parts))
    text = " ".join("".join(letters).split())
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
