"""Rules that say an English request in another way.

Each fits whole sentences of a plain shape only: what it does not understand it leaves alone, so that what comes
out is English.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

#: A short noun phrase without a verb in it, ids included: `my order A1001`, `the return address`.
_THING = r"(?P<thing>(?:my|the|your|our|an?|this) (?:[\w'’-]+ ){0,3}?[\w'’-]+|[A-Z]-?\d{3,8}|#\d{3,8})"
_NO_VERB = re.compile(
    r"\b(?:is|are|was|were|be|been|do|does|did|has|have|had|can|could|will|would|should|must|may|now|already|today|yet|"
    r"please|thanks?|thx|pls|which|that|who|when|if|because|and|but|so|not|for|to|from|with|at|in|on|up|off|of|"
    r"arrive\w*|come\w*|coming|going|goes|went|gone|get\w*|got|cost\w*|need\w*|want\w*|ship\w*|delivered|sent|"
    r"asap|there|here|it|them|they|you|i|we|he|she|exactly|currently|again)\b",
    re.I,
)
_DO = r"(?P<do>(?!(?:still|also|just|already|even|only|not)\b|have to\b|i\b|you\b|we\b|it\b|they\b)[a-z]+(?: [\w'’-]+){0,10})"


@dataclass(frozen=True, slots=True)
class Frame:
    """`pattern` fits the request without greeting, thanks and end mark; each of `ways` says it anew."""

    name: str
    pattern: re.Pattern[str]
    ways: tuple[str, ...]
    noun: bool = False


def _frame(name: str, pattern: str, *ways: str, noun: bool = False) -> Frame:
    return Frame(name, re.compile(pattern, re.I), ways, noun)


FRAMES: tuple[Frame, ...] = (
    _frame("where is", rf"where(?: is|['’]s) {_THING}",
           "Can you tell me where {thing} is?", "I'd like to know where {thing} is.",
           "Could you tell me where {thing} is right now?", "Do you know where {thing} is?", noun=True),
    _frame("how do I", rf"how (?:do|can|could|would) i {_DO}",
           "Can you tell me how to {do}?", "What do I have to do to {do}?", "I'd like to know how to {do}.",
           "Could you explain how I can {do}?"),
    _frame("can I", rf"(?:can|could|may) i (?!have\b|get you\b|speak\b|talk\b|help\b|ask\b){_DO}",
           "Is it possible to {do}?", "Would it be possible to {do}?", "I'd like to know if I can {do}.",
           "Could you tell me whether I can {do}?"),
    _frame("do you do", r"do (?:you|u) (?P<do>(?:ship|deliver|sell|offer|accept|take|repair|rent|lend|stock|match|send|"
           r"charge|buy|have|give)(?: [\w'’-]+){1,7})",
           "Can you tell me if you {do}?", "I'd like to know whether you {do}.", "I was wondering if you {do}.",
           "Could you let me know whether you {do}?"),
    _frame("how much is", r"how much (?:is|are) (?P<thing>(?:(?:the|an?|your) )?(?:[\w'’-]+ ){0,3}[\w'’-]+)",
           "Can you tell me the price of {thing}?", "I'd like to know the price of {thing}.",
           "What's the price of {thing}?", noun=True),
    _frame("how much does", rf"how much does {_THING} cost",
           "What does {thing} cost?", "What is the price of {thing}?", "Can you tell me what {thing} costs?", noun=True),
    _frame("how long does", rf"how long does {_THING} take",
           "Can you tell me how long {thing} takes?", "I'd like to know how long {thing} takes.", noun=True),
    _frame("what is", rf"what(?: is|['’]s) {_THING}",
           "Can you tell me what {thing} is?", "Could you tell me what {thing} is?",
           "I'd like to know what {thing} is.", noun=True),
    _frame("I want to", rf"(?:i want to|i['’]d like to|i would like to|i wanna) (?!know\b){_DO}",
           "I would like to {do}.", "I'd like to {do}, please.", "Can you help me to {do}?"),
    _frame("polite order", r"(?:can|could) you (?:please )?(?P<do>(?:show|tell|send|check|find|track|cancel|look up|give|"
           r"connect|explain|list|confirm)(?: [\w'’-]+){1,9})",
           "Please {do}.", "Would you please {do}?", "I'd like you to {do}, please."),
    _frame("order", r"(?:please )?(?P<do>(?:show|send|check|find|track|cancel|list) (?:me )?(?:my|the|all|your)"
           r"(?: [\w'’-]+){1,6})",
           "Can you {do}?", "Could you please {do}?", "Would you {do}, please?", "I'd like you to {do}."),
    _frame("who are you", r"who are you", "Can you tell me who you are?", "Who am I talking to?"),
)  # fmt: skip

_OPENINGS = ("Hi, {low}", "Hello, {low}", "Good morning, {low}", "Hi there, {low}")
_CONTRACTED = {
    "I am": "I'm", "I would like": "I'd like", "I have not": "I haven't", "do not": "don't", "does not": "doesn't",
    "can not": "can't", "cannot": "can't", "is not": "isn't", "did not": "didn't", "I will": "I'll",
    "what is my": "what's my", "where is my": "where's my", "what is the": "what's the", "where is the": "where's the", "could not": "couldn't", "has not": "hasn't", "will not": "won't",
}  # fmt: skip
_FULL = {short: long for long, short in _CONTRACTED.items() if long not in ("can not",)}
_SAME = (
    ("e-mail", "email"), ("right now", "at the moment"), ("get in touch with", "contact"),
    ("phone number", "telephone number"), ("parcel", "package"),
)  # fmt: skip
_POINTS_BACK = re.compile(
    r"\b(?:it|its|this|that|these|those|them|they|one|ones|there|then|so|he|she|else|instead)\b", re.I
)


def framed(core: str, random: Random) -> list[str]:
    """Every frame's ways of saying `core`, in random order; empty when no frame fits."""
    found: list[str] = []
    for frame in FRAMES:
        match = frame.pattern.fullmatch(core)
        if match is None:
            continue
        parts = match.groupdict()
        if frame.noun and _NO_VERB.search(_after_first(parts["thing"])):
            continue
        if "do" in parts and not _plain(parts["do"]):
            continue
        found += [way.format(**parts) for way in frame.ways]
    random.shuffle(found)
    return [text for text in found if _letters(text) != _letters(core)]


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _after_first(thing: str) -> str:
    return (
        thing.partition(" ")[2]
        if thing.partition(" ")[0].lower() in ("my", "the", "your", "our", "a", "an", "this")
        else thing
    )


def _plain(do: str) -> bool:
    """A verb and what belongs to it: no second clause, no thanks, no request within."""
    return re.search(
        r"\b(?:please|pls|plz|thanks?|thx|asap|if|because|but|when|which|or i|and i|how|what|why|where|i|ur|u)\b|[,;:]",
        do,
        re.I,
    ) is None and not do.lower().endswith((" to", " for", " with", " of", " the", " a", " my"))


def reworded(text: str, random: Random) -> list[str]:
    """The same sentence with contractions opened or closed, or one expression for its equal."""
    found = []
    for table in (_CONTRACTED, _FULL):
        for one, other in table.items():
            changed = re.sub(
                rf"\b{re.escape(one).replace(chr(39), '[' + chr(39) + '’]')}\b", other, text, flags=re.I
            )
            if changed != text:
                found.append(_capital_of(text, changed))
    for one, other in (*_SAME, *((b, a) for a, b in _SAME)):
        changed = re.sub(rf"\b{one}\b", other, text)
        if changed != text:
            found.append(changed)
    random.shuffle(found)
    return found


def reordered(sentences: Sequence[str]) -> str:
    """Question first, story after; empty when one of the two points back to the other."""
    if len(sentences) != 2 or not sentences[1].endswith("?") or not sentences[0].endswith("."):
        return ""
    if not re.match(r"(?:I|We|My)\b", sentences[0]) or len(sentences[1].split()) < 5:
        return ""
    if (
        _POINTS_BACK.search(sentences[1])
        or _POINTS_BACK.search(sentences[0])
        or len(sentences[0].split()) < 3
    ):
        return ""
    return f"{sentences[1]} {sentences[0]}"


def opened(text: str, random: Random) -> str:
    """With a greeting before it."""
    keep = re.match(r"I\b|[A-Z]\w*\d|[A-Z]{2}", text)
    return random.choice(_OPENINGS).format(low=text if keep else text[:1].lower() + text[1:])


def _capital_of(before: str, text: str) -> str:
    return text[:1].upper() + text[1:] if before[:1].isupper() else text
