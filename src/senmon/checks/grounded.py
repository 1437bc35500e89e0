"""A reply says only what something supports: every number, date, amount, id, link and promise in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, Field

from senmon.checks.evidence import Evidence, sources
from senmon.checks.promises import kept, promises
from senmon.checks.protocol import CheckContext
from senmon.checks.values import Value, values
from senmon.messages import Verdict

_LIST_NUMBER = re.compile(
    r"(?m)^[ \t]*(?:[-*>#]+[ \t]+)?(?:\*\*)?(?:step[ \t]+)?(\d{1,2})(?:[.):](?=\s|\*|$))", re.I
)
_LABEL = re.compile(
    r"\b(?:step|option|question|part|example|point|line)s?\s+(?:number\s+)?#?(\d{1,2}|[a-z]+)\b", re.I
)
_TRIVIAL = (
    "option options way ways thing things step steps question questions choice choices reason reasons "
    "possibility possibilities idea ideas point points part parts detail details case cases"
)
_TRIVIAL_COUNT = re.compile(
    rf"\b(\d{{1,2}}|[a-z]+)\s+(?:(?:main|more|other|quick|simple|possible|different|easy|small|last|"
    rf"further)\s+)*"
    rf"(?:{'|'.join(_TRIVIAL.split())})\b",
    re.I,
)
_IDIOM = re.compile(
    r"\b(?:one|1|a|two|2)[ -](?:moment|second|sec|minute|min)s?\b(?=[^.!?]{0,12}(?:please|$|[,.!?…—–-]))"
    r"|\b(?:just|in|give me|hold on|wait)\s+(?:one|a|two)\s+(?:moment|second|sec|minute)s?\b"
    r"|\bone\b(?!\s+(?:\w+\s+)?(?:day|week|month|year|hour|minute|dollar|euro|pound|per ?cent|item|"
    r"business|working|"
    r"kilo|mile|metre|gram)\w*)|\bzero\s+(?:doubt|pressure|worries)\b|\bsecond\b",
    re.I,
)


class GroundedOptions(BaseModel):
    """Options of the check `grounded`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    counts: int = Field(
        4, ge=0, le=20, description="Counts up to this need no support before `options`, `steps`…"
    )
    ignore: tuple[str, ...] = Field((), description="Texts that may always be said, for example `24/7`.")
    promises: bool = Field(True, description="Whether `I have refunded you` needs an action that did it.")


class Grounded:
    """Repairs a candidate that holds a value or a promise without support."""

    name = "grounded"

    def __init__(self, options: GroundedOptions | None = None) -> None:
        self._options = options or GroundedOptions()

    def judge(self, released: str, candidate: str, context: CheckContext) -> Verdict:
        claims = list(self._claims(candidate))
        if claims:
            evidence = Evidence(sources(context))
            missing = [claim.text.strip() for claim in claims if not evidence.supports(claim)]
            if missing:
                return Verdict(self.name, "repair", f"not supported by anything known: {', '.join(missing)}")
        if self._options.promises:
            for promise in promises(candidate):
                if not kept(promise, context.messages):
                    why = f"no action that succeeded did this: {promise.text.strip()}"
                    return Verdict(self.name, "repair", why)
        return Verdict(self.name, "pass")

    def _claims(self, candidate: str) -> Iterator[Value]:
        for text in self._options.ignore:
            candidate = re.sub(rf"(?<!\w){re.escape(text)}(?!\w)", _blank, candidate, flags=re.IGNORECASE)
        candidate = _LIST_NUMBER.sub(_blank, candidate)
        candidate = _IDIOM.sub(_blank, candidate)
        candidate = _LABEL.sub(_blank_label, candidate)
        candidate = _TRIVIAL_COUNT.sub(self._blank_count, candidate)
        yield from values(candidate)

    def _blank_count(self, match: re.Match[str]) -> str:
        found = values(match[1])
        small = (
            len(found) == 1 and found[0].kind == "number" and int(found[0].keys[0]) <= self._options.counts
        )
        return _blank(match) if small else match[0]


def _blank(match: re.Match[str]) -> str:
    """Same length, so that other places stay where they are."""
    return "\x00" * len(match[0])


def _blank_label(match: re.Match[str]) -> str:
    """`step 2` and `option three`, but not `step back`."""
    return _blank(match) if values(match[1]) else match[0]
