"""The floor under every pack: help in a crisis, no secrets, nobody's card or account number."""

from __future__ import annotations

import re
from functools import cached_property

from pydantic import BaseModel, ConfigDict, Field

from senmon.checks.crisis import in_crisis
from senmon.checks.personal import personal_numbers
from senmon.checks.protocol import CheckContext
from senmon.checks.secrets import asks_for_instructions, discloses, shingles
from senmon.messages import CONTEXT, Verdict

CRISIS_TEXT = (
    "I'm really sorry that you are going through this. I'm only a program and not the right help, but you "
    "don't have to face it alone. If you may be in danger now, please call your local emergency number "
    "(112 in Europe, 911 in the US) or a crisis line: 988 in the US and Canada, 116 123 in the UK and "
    "Ireland; findahelpline.com lists others. Please talk to somebody you trust, or ask for a person here."
)
DISCREET_TEXT = "I can't share how I am set up, but I'm glad to help with your question."

#: How many words in a row of the pack's prompt betray it: when it was asked for, and when not.
ASKED_WORDS = 6
UNASKED_WORDS = 16


class SafetyOptions(BaseModel):
    """Options of the check `safety`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    crisis: bool = Field(
        True, description="Whether a visitor in a crisis gets `crisis_text` instead of a reply."
    )
    crisis_text: str = Field(CRISIS_TEXT, min_length=1, description="What a visitor in a crisis is told.")
    secrets: bool = Field(True, description="Whether prompt text, keys and passwords are blocked.")
    secret_text: str = Field(DISCREET_TEXT, min_length=1, description="Said instead of a secret.")
    personal: bool = Field(
        True, description="Whether card, account and social security numbers are kept back."
    )


class Safety:
    """Blocks, with a fixed text, or repairs. `system` is the prompt that must not be recited."""

    name = "safety"

    def __init__(self, options: SafetyOptions | None = None, *, system: str = "") -> None:
        self._options = options or SafetyOptions()
        self._system = system

    def judge(self, released: str, candidate: str, context: CheckContext) -> Verdict:
        options = self._options
        asked = [message.content for message in context.messages if message.role == "user"]
        if options.crisis and asked and in_crisis(asked[-1]):
            return Verdict(self.name, "block", "the visitor may be in a crisis", options.crisis_text)
        if options.secrets and (why := self._secret(released, candidate, asked)):
            return Verdict(self.name, "block", why, options.secret_text)
        if options.personal and (why := _personal(candidate, context)):
            return Verdict(self.name, "repair", why)
        return Verdict(self.name, "pass")

    def _secret(self, released: str, candidate: str, asked: list[str]) -> str:
        if why := discloses(candidate):
            return why
        wanted = any(asks_for_instructions(text) for text in asked[-3:])
        protected = self._asked_for if wanted else self._unasked
        size = ASKED_WORDS if wanted else UNASKED_WORDS
        said = " ".join((*released.split()[-size + 1 :], candidate))
        return "recites its instructions" if shingles(said, size) & protected else ""

    @cached_property
    def _asked_for(self) -> frozenset[str]:
        return shingles(self._system, ASKED_WORDS)

    @cached_property
    def _unasked(self) -> frozenset[str]:
        return shingles(self._system, UNASKED_WORDS)


def _personal(candidate: str, context: CheckContext) -> str:
    """Numbers of a person that neither the visitor nor the pack's own knowledge said."""
    found = personal_numbers(candidate)
    if not found:
        return ""
    known = [message.content for message in context.messages if message.role == "user"]
    public = [passage.text for passage in context.passages]
    public += [message.content for message in context.messages if message.name == CONTEXT]
    for kind, digits in found:
        said = _has(digits, known) or (kind == "IBAN" and _has(digits, public))
        if not said:
            return f"says somebody's {kind}"
    return ""


def _has(digits: str, texts: list[str]) -> bool:
    return any(digits in re.sub(r"[\s.-]", "", text).upper() for text in texts)
