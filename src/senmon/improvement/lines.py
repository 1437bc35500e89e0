"""From a decision to what the pack learns or is asked: a line of data, or an item of the regression suite."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from senmon.dataset.call_rules import PackRules
from senmon.dataset.example import REVIEWED
from senmon.dataset.normal_form import normalised
from senmon.dataset.record import MOST_REJECTED
from senmon.dataset.talk import read_messages
from senmon.errors import ConfigError
from senmon.evaluation.scoring import context_of
from senmon.improvement.masking import Mask
from senmon.improvement.signals import failing
from senmon.improvement.talk import Talk, Turn
from senmon.messages import CONTEXT, Message
from senmon.packs.pack import Pack
from senmon.rendering import references
from senmon.store.exchanges import Review
from senmon.store.reviews import handle

Record = dict[str, Any]
ORIGIN = REVIEWED
_CUSTOMER = re.compile(r"^customer: (verified|not signed in)$", re.M)
_TODAY = re.compile(r"^today: (\d{4}-\d\d-\d\d)$", re.M)
#: A fact's value in a correction is taken for the fact only when it is as telling as this.
TELLING = re.compile(r"(?=.*\d).{3,}|.{8,}", re.S)


@dataclass(frozen=True, slots=True)
class Line:
    """A line made of a decision."""

    review: Review
    record: Record

    @property
    def id(self) -> str:
        return str(self.record["id"])


def line_id(run: str) -> str:
    return f"rev-{handle(run)[:12]}"


def origin_of(review: Review, conversation: str) -> str:
    """Lineage: which conversation, which exchange, whose decision."""
    return f"{ORIGIN}:{conversation}:{review.run}:{review.reviewer}"


def run_of(origin: str) -> str:
    """The run that an origin names; empty for an origin of another kind."""
    parts = origin.split(":")
    return parts[2] if len(parts) == 4 and parts[0] == ORIGIN else ""


def data_line(pack: Pack, talk: Talk, review: Review, *, split: str) -> Line:
    """What a `correct` or `good` decision teaches, masked. Raises ConfigError without an intent."""
    mask = Mask(pack, talk.owner)
    turn = talk.turn(review.run)
    history = [record for each in _history(pack, talk, review.run) for record in _records(pack, each, mask)]
    asked = _asked(pack, turn, review, mask)
    messages = [*history, *asked]
    messages.append(_answer(pack, turn, review, mask, messages))
    record = {
        "id": line_id(review.run),
        "intent": intent_of(turn, review),
        "split": split,
        "messages": messages,
        "origin": origin_of(review, talk.owner.id),
    }
    if rejected := _rejected(pack, talk, review, mask, messages):
        record["rejected"] = rejected
    return Line(review, record)


def _rejected(pack: Pack, talk: Talk, review: Review, mask: Mask, messages: Sequence[Record]) -> list[str]:
    """What people did not want in place of the last reply: what a correction replaced, and what got a thumb
    down when the same was asked before in this conversation. All of it is of one conversation, so that the
    line's origin tells whose it is."""
    wanted, facts = str(messages[-1]["content"]), _facts(pack, messages[:-1])
    turn, said = talk.turn(review.run), []
    if review.kind == "correct" and "call" not in review.data:
        said.append(turn)
    request = normalised(turn.exchange.text)
    said += [
        each
        for each in talk.before(review.run)
        if normalised(each.exchange.text) == request
        and any(one.rating == "down" for one in each.exchange.feedback)
    ]
    replies = [
        referenced(mask.text(each.messages[-1].content), facts).strip()
        for each in said
        if each.owner == pack.name and _ends_well(each)
    ]
    return [one for one in dict.fromkeys(replies) if one and one != wanted][:MOST_REJECTED]


def suite_line(pack: Pack, talk: Talk, review: Review) -> Line:
    """The regression item of an `eval` decision, masked."""
    mask = Mask(pack, talk.owner)
    turn = talk.turn(review.run)
    history = [record for each in _history(pack, talk, review.run) for record in _records(pack, each, mask)]
    messages = [*history, *_asked(pack, turn, review, mask)]
    expect = mask.value(review.data["expect"])
    record = {
        "id": origin_of(review, talk.owner.id)[:200],
        "kind": "action" if "action" in expect else "reply",
        "intent": intent_of(turn, review),
        "messages": [_plain(pack, one) for one in messages],
        "expect": expect,
    }
    return Line(review, record)


def intent_of(turn: Turn, review: Review) -> str:
    """The reviewer's word, else the router's when it chose the same pack."""
    named = review.data.get("intent")
    guessed = turn.exchange.route.get("intent") if turn.exchange.pack == review.pack else None
    if not (named or guessed):
        raise ConfigError("what does the visitor want? The router did not say", remedy="--intent LABEL")
    return str(named or guessed)


def _history(pack: Pack, talk: Talk, run: str) -> list[Turn]:
    """The pack's turns before. Behind a reply that failed nothing older is kept: it would be learnt too."""
    kept: list[Turn] = []
    for turn in reversed(talk.before(run)):
        if turn.owner != pack.name:
            continue
        decided = turn.exchange.review
        sound = decided is not None and decided.kind in ("good", "correct") and decided.pack == pack.name
        # What a corrected call would have given nobody knows, so nothing can follow it.
        if decided is not None and "call" in decided.data:
            break
        if (failing(turn.exchange) and not sound) or not _ends_well(turn):
            break
        kept.insert(0, turn)
    return kept


def _ends_well(turn: Turn) -> bool:
    return bool(turn.messages) and turn.messages[-1].role == "assistant" and not turn.messages[-1].tool_calls


def _records(pack: Pack, turn: Turn, mask: Mask) -> list[Record]:
    """A turn before, with its own correction where it has one."""
    decided = turn.exchange.review
    if decided is None or decided.kind != "correct":
        return [one for message in turn.messages for one in _record(pack, turn, message, mask)]
    asked = _asked(pack, turn, decided, mask)
    return [*asked, _answer(pack, turn, decided, mask, asked)]


def _asked(pack: Pack, turn: Turn, review: Review, mask: Mask) -> list[Record]:
    """The turn up to its last reply: the message, its context, the calls made and their results."""
    mine = turn.owner == pack.name
    messages = turn.messages if mine else (Message("user", turn.exchange.text),)
    if mine and messages and messages[-1].role == "assistant":
        messages = messages[:-1]
    if "call" in review.data or review.data.get("alone"):
        messages = tuple(one for one in messages if one.role == "user" or one.name == CONTEXT)
    named = review.data.get("articles")
    articles = turn.articles if named is None else tuple(named)
    shown = [one for message in messages for one in _record(pack, turn, message, mask, articles)]
    if articles and not any(one["role"] == "tool" and "passages" in one for one in shown):
        place = next((at for at, one in enumerate(shown) if one["role"] == "user"), 0) + 1
        context = _context(pack, articles, "")
        shown[place:place] = [context] if "passages" in context else []
    return shown


def _answer(pack: Pack, turn: Turn, review: Review, mask: Mask, before: Sequence[Record]) -> Record:
    call = review.data.get("call")
    if call:
        asked = {"name": call["name"], "arguments": mask.value(call["arguments"])}
        return {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "call_reviewed", "type": "function", "function": asked}],
        }
    reply = review.data.get("reply")
    if reply is not None:
        return {"role": "assistant", "content": referenced(mask.text(str(reply)), _facts(pack, before))}
    said = turn.messages[-1].content if turn.messages else turn.exchange.reply
    return {"role": "assistant", "content": mask.text(said)}


def _facts(pack: Pack, before: Sequence[Record]) -> Mapping[str, str]:
    messages, _ = read_messages([*before, {"role": "assistant", "content": "-"}], PackRules.of(pack))
    return context_of(pack, messages[:-1]).facts


def referenced(text: str, facts: Mapping[str, str]) -> str:
    """`text` with the values of facts replaced by their names, so that the reply stays right when a fact
    changes. Only where one name has that value; names written by hand stay."""
    if references(text):
        return text
    names: dict[str, list[str]] = {}
    for name, value in facts.items():
        if not name.startswith("answer.") and TELLING.fullmatch(value):
            names.setdefault(value, []).append(name)
    sole = {value: found[0] for value, found in names.items() if len(found) == 1}
    if not sole:
        return text
    every = "|".join(re.escape(value) for value in sorted(sole, key=len, reverse=True))
    return re.sub(rf"(?<!\w)(?:{every})(?!\w)", lambda match: f"[[{sole[match[0]]}]]", text)


def _record(
    pack: Pack, turn: Turn, message: Message, mask: Mask, articles: Sequence[str] | None = None
) -> Iterator[Record]:
    """One message of a data line. A context message is made anew of the pack's articles of today."""
    if message.name == CONTEXT:
        context = _context(pack, turn.articles if articles is None else articles, message.content)
        if len(context) > 2:
            yield context
        return
    record = message.to_json()
    if message.role == "tool":
        record["content"] = mask.json(message.content)
    else:
        record["content"] = mask.text(message.content)
    if message.tool_calls:
        record["tool_calls"] = [
            {"id": one.id, "type": "function",
             "function": {"name": one.name, "arguments": mask.value(dict(one.arguments))}}
            for one in message.tool_calls
        ]  # fmt: skip
    yield record


def _context(pack: Pack, articles: Sequence[str], content: str) -> Record:
    known = {article.id for article in pack.articles}
    record: Record = {"role": "tool", "name": CONTEXT}
    if shown := [name for name in articles if name in known]:
        record["passages"] = shown
    for name, pattern in (("customer", _CUSTOMER), ("today", _TODAY)):
        if found := pattern.search(content):
            record[name] = found[1]
    return record


def _plain(pack: Pack, record: Record) -> Record:
    """As a suite takes it: calls with their arguments as text, a context with more than passages as text."""
    if record["role"] == "tool" and record.get("name") == CONTEXT:
        if set(record) == {"role", "name", "passages"}:
            return {"role": "tool", "passages": record["passages"]}
        messages, _ = read_messages([{"role": "user", "content": "-"}, record], PackRules.of(pack))
        return {"role": "tool", "name": CONTEXT, "content": messages[-1].content}
    if record.get("tool_calls"):
        calls = [
            {**one, "function": {**one["function"],
                                 "arguments": json.dumps(one["function"]["arguments"], ensure_ascii=False)}}
            for one in record["tool_calls"]
        ]  # fmt: skip
        return {**record, "tool_calls": calls}
    return record
