"""Requests to a pack with actions and articles: what was done, found and said."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from senmon.evaluation.oracle.facts import unsupported
from senmon.evaluation.served.blind import RequestLine, Wanted
from senmon.evaluation.served.rig import Acted, Stand, Talk, Turn

#: Actions that pass the visitor on to a person: they refuse nothing and answer nothing.
PERSON = "request_person"
#: How many articles a retrieval is asked for.
TOP = 3
_REFUSES = re.compile(
    r"(?i)\b(?:outside what i can|not sure enough|can(?:no|')t (?:answer|help|find)|don'?t (?:know|have)"
    r"|no (?:answer|article)|couldn'?t find|not something i|unable to|only (?:do|help|answer|speak)"
    r"|get a person|ask (?:a|for a) person|rather not say"
    r"|(?:not|isn't) (?:in|part of|something|anything|what)\b"
    r"|i(?:'m| am) (?:only|just) (?:here|for|a maths|good)|stick to|would you like a person)"
)


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """What became of a request. `action`: the right one with the right arguments, or rightly none. `place`:
    of the right article in the retrieval, 0 when it is not among the first; None where no article is asked
    for. `answered`: the right article's answer was given. `bad` and `bad_raw`: facts in the reply that
    nothing supports, after and before the checks."""

    id: str
    action: bool
    called: str
    place: int | None
    answered: bool | None
    refused: bool | None
    bad: tuple[str, ...]
    bad_raw: tuple[str, ...]
    verdicts: tuple[str, ...]
    kind: str
    error: str


async def ask(stand: Stand, pack: str, line: RequestLine) -> RequestOutcome:
    """The history said anew, then the request; judged by its last turn."""
    talk = Talk(stand, line.id, line.customer)
    for text in line.history:
        await talk.say(text)
    turn = await talk.say(line.text)
    wanted = (line.expect, *alternatives(line.expect))
    asks = line.expect.action is None and line.expect.article is not None
    place = _place(stand, pack, line, wanted) if asks else None
    answerable = line.expect.action is not None or line.expect.article is not None
    said = talk.evidence()
    return RequestOutcome(
        id=line.id,
        action=did(turn.acted, wanted, line.text),
        called=", ".join(_shown(each) for each in turn.acted),
        place=place,
        answered=_answers(stand, pack, turn, wanted) if asks else None,
        refused=_refused(turn) if answerable and line.expect.action != PERSON else None,
        bad=unsupported(turn.text, said) if turn.generated else (),
        bad_raw=(*turn.unknown, *unsupported(turn.raw, said)) if turn.generated else (),
        verdicts=turn.verdicts,
        kind=kind_of(line.expect, turn, pack),
        error=turn.error,
    )


def alternatives(expect: Wanted) -> tuple[Wanted, ...]:
    """What is as good: another call, or another article (by its id alone)."""
    found = []
    for each in expect.alternatives:
        if isinstance(each, Mapping):
            known = {name: each[name] for name in ("action", "arguments", "article") if each.get(name)}
            found.append(Wanted.model_validate(known))
        elif isinstance(each, str):
            found.append(Wanted(article=each) if expect.article else Wanted(action=each))
    return tuple(found)


def did(acted: Sequence[Acted], wanted: Sequence[Wanted], said: str) -> bool:
    """Whether nothing was done that was not wanted, and something if nothing would be wrong."""
    if not acted:
        return any(each.action is None for each in wanted)
    return all(any(_is(one, each, said) for each in wanted) for one in acted)


def _is(acted: Acted, wanted: Wanted, said: str) -> bool:
    """This action, with what it must have; more only where the visitor has just said it."""
    if acted.name != wanted.action:
        return False
    extra = {name: value for name, value in acted.arguments.items() if name not in wanted.arguments}
    if any(plain(value) not in plain(said) for value in extra.values()):
        return False
    return all(_argument(acted, name, value) for name, value in wanted.arguments.items())


def _argument(acted: Acted, name: str, wanted: Any) -> bool:
    """The same value, or all of its words for a long one. What the action says that it took counts before
    what it was given: it may know better (`the tent`), or have taken it from the talk before."""
    taken = _taken(acted.result, name)
    mine, its = plain(acted.arguments.get(name) if taken is None else taken), plain(wanted)
    return mine == its or (its.count(" ") >= 2 and f" {its} " in f" {mine} ")


def _taken(result: Mapping[str, Any], name: str) -> Any:
    """`order_id` that an action took: `order.id` of its result."""
    root, _, field = name.rpartition("_")
    inner = result.get(root)
    return inner.get(field) if isinstance(inner, Mapping) else None


def plain(value: Any) -> str:
    """Spelling apart: `a-1001`, `A1001` and `order 1001` are one; so are cases, commas and spaces."""
    if value is None:
        return ""
    text = re.sub(r"[^\w€$£%.]+", " ", str(value).casefold()).strip(" .")
    number = re.fullmatch(r"(?:order |number |no |nr )*a? ?(\d{3,})", text)
    return number[1] if number else text


def _place(stand: Stand, pack: str, line: RequestLine, wanted: Sequence[Wanted]) -> int:
    """Where the right article stands in a retrieval that leaves none out; 0: not among the first."""
    good = {each.article for each in wanted if each.article}
    found = stand.catalog.packs[pack].knowledge.search(line.text, k=TOP, min_score=0.0)
    return next((place for place, passage in enumerate(found, 1) if passage.id in good), 0)


def _answers(stand: Stand, pack: str, turn: Turn, wanted: Sequence[Wanted]) -> bool:
    """Whether the reply gives the right article's answer: its words, or each of its facts."""
    good = {each.article for each in wanted if each.article}
    said = turn.text.casefold()
    for article in stand.pack(pack).articles:
        if article.id not in good:
            continue
        own = [value for name, value in turn.facts.items() if name.startswith("answer.")]
        spoken = [value for value in own if value.casefold() in said]
        facts = [value.casefold() for value in article.facts.values()]
        start = re.split(r"\[\[|[.!?]", article.answer)[0].strip().casefold()
        if any(_same_start(value, article.answer) for value in spoken):
            return True
        if (start and len(start) > 12 and start in said) or (facts and all(f in said for f in facts)):
            return True
    return False


def _same_start(value: str, answer: str) -> bool:
    """Whether a filled-in answer is this article's: alike up to its first fact."""
    head = answer.partition("[[")[0].strip().casefold()
    return bool(head) and value.casefold().startswith(head)


def declines(text: str) -> bool:
    """Whether a reply says that it has no answer, or that this is not its subject."""
    return bool(_REFUSES.search(text))


def _refused(turn: Turn) -> bool:
    return not turn.acted and (turn.pack is None or declines(turn.text))


def kind_of(expect: Wanted, turn: Turn, pack: str) -> str:
    """In one phrase what went which way: for a tally of faults, without anybody's words."""
    wanted = expect.action or (f"article {expect.article}" if expect.article else "no action")
    went = "+".join(each.name for each in turn.acted) or (
        "elsewhere" if turn.pack not in (pack, None) else "nobody" if turn.pack is None else "words only"
    )
    return f"{wanted} → {went}"


def _shown(acted: Acted) -> str:
    given = ", ".join(f"{name}={value}" for name, value in sorted(acted.arguments.items()))
    return f"{acted.name}({given})"
