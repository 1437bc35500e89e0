"""Examples that can't both be right: one request with several intents, one situation with several answers."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from senmon.dataset.example import Dataset, Example
from senmon.dataset.likeness import core, overlap
from senmon.dataset.normal_form import normalised
from senmon.messages import CONTEXT, Message, ToolCall
from senmon.readiness.findings import Finding, finding, shortened

#: Different wordings of a reply that are compared with each other in one situation.
COMPARED = 12
#: Words in common from which two replies speak of the same thing.
SAME_SUBJECT, SAME_STATEMENT = 0.35, 0.55
_NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,:]\d+)*(?:(?:st|nd|rd|th|am|pm)\b)?")
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nothing|cannot|without|unable|isnt|arent|dont|doesnt|didnt|cant|wont|couldnt|wouldnt|shouldnt|neither|nor)\b"
)
#: What only sounds like a number or a denial.
_LIST_MARK = re.compile(r"(?m)^\s*\(?\d{1,2}[.)]\s+|\b24\s?/\s?7\b")
_COMFORT = re.compile(
    r"\b(?:no (?:worries|problem)|not a problem|(?:not to|dont|do not) (?:worry|forget)"
    r"|(?:dont|do not|never) hesitate|not only|no doubt|whether or not|if not)\b"
)
_SENTENCE_END = re.compile(r"[.!?]+(?=\s|$)|\n+")
_ID = re.compile(r"\d{4,}")
#: Shorter sentences say too little to deny each other.
FEWEST_WORDS = 3
#: Sentences of a reply that are compared.
MOST_SENTENCES = 40
_ANSWER = re.compile(r"\[\[answer\.\d+\]\]")
_YES, _NO = (
    re.compile(r"^(?:yes|yeah|sure|certainly|of course|correct)\b"),
    re.compile(r"^(?:no|nope|sorry no|unfortunately)\b"),
)
_REFUSAL = re.compile(
    r"\b(?:i|we) (?:cant|cannot|am not able to|are not able to|dont|wont) (?:help|answer|do that|know|say)\b"
    r"|\b(?:im|i am) not sure\b|\bno idea\b"
)


@dataclass(frozen=True, slots=True)
class _Answer:
    """One assistant message at its place. `shown` are the passages before it, `call` its masked call."""

    source: str
    request: str
    reply: str
    call: str
    shown: str
    asked: str


def intent_findings(dataset: Dataset) -> Iterator[Finding]:
    """Requests with one core under several intents."""
    groups: dict[str, list[Example]] = defaultdict(list)
    for example in dataset.examples:
        groups[core(example.request)].append(example)
    for group in groups.values():
        intents = {example.intent: example for example in reversed(group)}
        if len(intents) > 1:
            named = [intents[name].source for name in sorted(intents)]
            rest = [example.source for example in group if example.source not in named]
            yield finding(
                "intent_conflict",
                "error",
                [*named, *rest],
                f"“{shortened(group[0].request, 100)}” stands under {' and '.join(sorted(intents))}",
                "decide on one intent, or make the requests tell what differs",
            )


def answer_findings(dataset: Dataset) -> Iterator[Finding]:
    """Situations (what was said, called and found before) with answers that exclude each other."""
    groups: dict[bytes, dict[tuple[str, str, str], _Answer]] = defaultdict(dict)
    for example in dataset.examples:
        for key, answer in _answers(example):
            groups[key].setdefault((normalised(answer.reply), answer.call, answer.shown), answer)
    for group in groups.values():
        if len(group) > 1:
            yield from _excluding(list(group.values()))


def _answers(example: Example) -> Iterator[tuple[bytes, _Answer]]:
    state = hashlib.blake2b(digest_size=12)
    shown, asked = "", ""
    for message in example.messages:
        if message.role == "assistant":
            call = _call(message.tool_calls, asked)
            yield (
                state.digest(),
                _Answer(example.source, asked, message.content, call, shown, example.request),
            )
        if message.name == CONTEXT:
            lines = message.content.splitlines()
            shown = "\n".join(line for line in lines if line.startswith(("# ", "[[answer.")))
            known = "\n".join(line for line in lines if line.startswith(("customer:", "today:")))
            state.update(f"known\0{known}\0".encode())
            continue
        asked = message.content if message.role == "user" else asked
        state.update(_step(message, asked).encode("utf-8", "replace"))


def _step(message: Message, asked: str) -> str:
    said = core(message.content) if message.role == "user" else normalised(message.content)
    return f"{message.role}\0{said}\0{_call(message.tool_calls, asked)}\0"


def _call(calls: Sequence[ToolCall], asked: str) -> str:
    """Calls as text; values that the visitor said are left out, so that two orders make one situation."""
    spoken = asked.casefold()

    def value(given: object) -> object:
        return "(as said)" if isinstance(given, str) and given and given.casefold() in spoken else given

    def arguments(call: ToolCall) -> str:
        given = {name: value(one) for name, one in sorted(call.arguments.items())}
        return json.dumps(given, ensure_ascii=False)

    return "; ".join(f"{call.name}({arguments(call)})" for call in calls)


def _excluding(answers: list[_Answer]) -> Iterator[Finding]:
    """At most one finding per situation and kind: the first pair that excludes each other."""
    calls = {answer.call: answer for answer in answers if answer.call}
    if len(calls) > 1:
        yield _deeds(list(calls.values()))
    else:
        pair = next(
            (
                (a, b)
                for a, b in combinations(answers[:COMPARED], 2)
                if bool(a.call) != bool(b.call) and a.shown == b.shown
            ),
            None,
        )
        if pair:
            yield _deeds(sorted(pair, key=lambda answer: not answer.call))
    texts = [answer for answer in answers if not answer.call]
    for one, other in combinations(texts[:COMPARED], 2):
        why = (
            contradiction(one.reply, other.reply, (one.asked, other.asked))
            if one.shown == other.shown
            else ""
        )
        if why:
            said = f"“{shortened(one.reply, 70)}” and “{shortened(other.reply, 70)}”"
            yield finding(
                "reply_conflict",
                "error",
                [one.source, other.source],
                f"to “{shortened(one.request, 60)}”: {said} ({why})",
                "keep the true one",
            )
            return


def _deeds(answers: list[_Answer]) -> Finding:
    said = [f"calls {shortened(answer.call, 60)}" if answer.call else "only talks" for answer in answers[:2]]
    return finding(
        "action_conflict",
        "error",
        [answer.source for answer in answers],
        f"to “{shortened(answers[0].request, 60)}”: one {said[0]}, another {said[1]}",
        "decide what is right here, or say in the conversation what makes the difference",
    )


def contradiction(one: str, other: str, asked: Sequence[str] = ("", "")) -> str:
    """Why two replies to the same words can't both be true; empty when they can, as far as words tell.

    `asked` are the words that each of them answers: what the visitor said himself contradicts nothing.
    """
    left, right = (_COMFORT.sub(" ", normalised(text)).strip() for text in (one, other))
    if left == right:
        return ""
    if bool(_REFUSAL.search(left)) != bool(_REFUSAL.search(right)):
        return "one refuses, the other answers"
    if (_YES.match(left) and _NO.match(right)) or (_NO.match(left) and _YES.match(right)):
        return "yes and no"
    chosen = [set(_ANSWER.findall(text)) for text in (one, other)]
    if all(chosen) and not chosen[0] & chosen[1]:
        return "they point to different articles"
    mine, theirs = _sentences(one), _sentences(other)
    return _numbers_differ(mine, theirs, asked) or _denies(mine, theirs)


def _sentences(reply: str) -> list[str]:
    """In the normal form, without the marks of lists."""
    bare = _LIST_MARK.sub(" ", reply)
    said = (_COMFORT.sub(" ", normalised(part)) for part in _SENTENCE_END.split(bare))
    return [sentence for sentence in said if sentence.strip()][:MOST_SENTENCES]


def _numbers_differ(mine: Sequence[str], theirs: Sequence[str], asked: Sequence[str]) -> str:
    """Two sentences about one thing with other numbers. Those of the request are left out, and long ones
    where the request holds a long one: they are ids."""
    said = {number for text in asked for number in _NUMBER.findall(normalised(text))}
    with_id = any(_ID.search(text) for text in asked)

    def figures(sentence: str) -> set[str]:
        found = set(_NUMBER.findall(sentence)) - said
        return {number for number in found if not (with_id and _ID.fullmatch(number))}

    left, right = ([(one, figures(one)) for one in side if _NUMBER.search(one)] for side in (mine, theirs))
    for one, numbers in left:
        for other, others in right:
            apart = bool(numbers and others) and not (numbers <= others or others <= numbers)
            if apart and overlap(_bare(one), _bare(other)) >= SAME_SUBJECT:
                return f"{_shown(numbers - others)} against {_shown(others - numbers)}"
    return ""


def _bare(sentence: str) -> frozenset[str]:
    return frozenset(_NUMBER.sub(" ", sentence).split())


def _denies(mine: Sequence[str], theirs: Sequence[str]) -> str:
    left, right = ([_statement(one) for one in side] for side in (mine, theirs))
    for words, negated in left:
        for other, denied in right:
            long_enough = min(len(words), len(other)) >= FEWEST_WORDS
            if negated != denied and long_enough and overlap(words, other) >= SAME_STATEMENT:
                return "one denies what the other says"
    return ""


def _statement(sentence: str) -> tuple[frozenset[str], bool]:
    """Its words without negations, and whether these deny it."""
    return frozenset(_NEGATION.sub(" ", sentence).split()), len(_NEGATION.findall(sentence)) % 2 == 1


def _shown(numbers: set[str]) -> str:
    return ", ".join(sorted(numbers)[:3])
