# ruff: noqa: E501 -- patterns, one a line
"""A pupil's attempt is called right only where an action of this turn has judged it right.

Whatever the model writes, "Well done!" does not leave the server beside a verdict of `wrong`, or without any. What
the action judges is its own affair; the tutor's judges what the pupil said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from senmon.checks.protocol import CheckContext
from senmon.messages import CONTEXT, Message, Verdict

_PRAISE = re.compile(
    r"\b(?:that(?:[’']?s| is| was| looks)(?: quite| exactly| absolutely| indeed)? (?:right|correct|it|true|perfect)"
    r"|(?:answer|result|solution|line|step|sum|it|[b-hj-z]|\d|zero|one|two|three|four|five|six|seven|eight|nine|ten|half) (?:is|are|was) (?:absolutely |exactly |quite )?(?:right|correct)(?=[!.,]|$)|you(?:[’']re| are) (?:absolutely |quite |exactly )?(?:right|correct)|you(?:[’']ve| have)? (?:got|solved|found|cracked|nailed|did) it"
    r"|well done|great (?:work|job)|(?:good|nice|excellent|amazing) (?:work|job|answer)|spot on|exactly(?: right)?(?=[!.,]|$)|perfect(?=[!.,]|$)|correct(?=[!.,]|$)|right(?=!)|bravo|bingo"
    r"|yes[,!. ]+(?:it|that|x|[a-z]) (?:is|=)|(?:correct|right) answer[!.])",
    re.IGNORECASE,
)
_NOT_SAID = re.compile(
    r"\b(?:not|n[’']t|never|if|whether|when|once|until|unless|almost|nearly|could be|might be|would be|check (?:that|if)|see (?:if|whether)|make sure|sure|is|are|was|be|did)(?: \w+){0,4}\s*$"
    r"|[\"“'‘][^\"”'’]{0,40}$",
    re.IGNORECASE,
)


class VerdictOptions(BaseModel):
    """Where the verdict stands in an action's result, and which ones are praise's due."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: str = Field("verdict", description="Name of the verdict in the results of actions.")
    right: tuple[str, ...] = Field(
        ("correct", "step_ok"), description="Verdicts that allow to call it right."
    )


class VerdictCheck:
    """Repairs a reply that calls an attempt right without a verdict of this turn that says so."""

    name = "verdict"

    def __init__(self, options: VerdictOptions | None = None) -> None:
        self._options = options or VerdictOptions()

    def judge(self, released: str, candidate: str, context: CheckContext) -> Verdict:
        if not praises(candidate):
            return Verdict(self.name, "pass")
        verdicts = list(_verdicts(context.messages, self._options.field))
        if verdicts and all(each in self._options.right for each in verdicts):
            return Verdict(self.name, "pass")
        if not verdicts and _right_before(context, self._options):
            return Verdict(self.name, "pass")
        why = f"the verdict is {verdicts[-1]}" if verdicts else "nothing was judged"
        return Verdict(self.name, "repair", f"an attempt is called right, but {why}")


def praises(text: str) -> bool:
    """Whether a reply calls something right."""
    for match in _PRAISE.finditer(text):
        before = text[max(0, match.start() - 60) : match.start()]
        sentence = re.split(r"[.!?\n]", before)[-1]
        asked = re.match(r"[^.!?\n]{0,40}\?", text[match.end() :])
        if not _NOT_SAID.search(sentence) and not asked:
            return True
    return False


def _verdicts(messages: Sequence[Message], field: str) -> Iterator[str]:
    """Of the results since the user's latest message."""
    last = max((at for at, each in enumerate(messages) if each.role == "user"), default=0)
    for message in messages[last + 1 :]:
        if message.role == "tool" and message.name != CONTEXT:
            verdict = _object(message.content).get(field)
            if isinstance(verdict, str):
                yield verdict


def _right_before(context: CheckContext, options: VerdictOptions) -> bool:
    """Praise at a goodbye: nothing is open, and what was judged last was right."""
    if context.slots.get("open"):
        return False
    found = [
        str(verdict)
        for message in context.messages
        if message.role == "tool"
        and message.name != CONTEXT
        and (verdict := _object(message.content).get(options.field)) is not None
    ]
    return not found or found[-1] in options.right


def _object(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
