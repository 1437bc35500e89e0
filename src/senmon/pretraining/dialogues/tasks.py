"""One errand at a desk: what is said, which call it needs with which words, and what comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from senmon.pretraining.dialogues import frames, values
from senmon.pretraining.dialogues.desk import Desk, Duty
from senmon.pretraining.dialogues.domains import Record
from senmon.pretraining.dialogues.surface import BEFORE, put, surface, upper_first


@dataclass(frozen=True, slots=True)
class Errand:
    """`text` says everything; `bare` leaves out `missing`, which `question` asks for.

    `again(value)` is the same errand for another value of the missing argument.
    """

    duty: Duty
    text: str
    arguments: dict[str, str]
    result: dict[str, Any]
    reply: str
    bare: str = ""
    missing: str = ""
    question: str = ""
    again: Callable[[], Errand] | None = None
    not_found: str = ""


def key_of(noun: str) -> str:
    return noun.replace("-", "_").replace(" ", "_")


def record_values(rng: Random, desk: Desk, record: Record, id: str) -> dict[str, Any]:
    return {"id": id} | {name: values.value(rng, kind, desk.trade.goods) for name, kind in record.fields}


def _words(record: Record, field: str = "") -> dict[str, str]:
    label = field.replace("_", " ")
    names = {"noun": record.noun, "nouns": record.plural, "Noun": upper_first(record.noun)}
    return names | {"label": label, "Label": upper_first(label), "r": key_of(record.noun), "f": field}


def _id_errand(
    rng: Random,
    desk: Desk,
    duty: Duty,
    ask: str,
    bare: str,
    field: str,
    finish: Callable[[str], tuple[dict[str, Any], str]],
) -> Errand:
    """An errand about one record: the id is the argument that may be missing."""
    id = desk.new_id(rng, duty.record)
    typed = values.written(rng, id)
    words = _words(duty.record, field)
    result, reply = finish(id)
    return Errand(
        duty,
        put(surface(rng, put(ask, **words)), id=typed),
        {duty.parameters[0]: typed},
        result,
        put(reply, **words),
        surface(rng, put(bare, **words)),
        duty.parameters[0],
        put(rng.choice(frames.ASK_ID), **words),
        lambda: _id_errand(rng, desk, duty, ask, bare, field, finish),
        put(rng.choice(frames.NOT_FOUND), **words),
    )


def _get(rng: Random, desk: Desk, duty: Duty) -> Errand:
    record = duty.record
    names = dict(record.fields)
    field = rng.choice([name for name in names if name != "status"])
    about_status = "status" in names and rng.random() < 0.5
    if about_status:
        ask, bare = rng.choice(frames.STATUS_WITH_ID), rng.choice(frames.STATUS_BARE)
        reply = rng.choice(frames.SAY_STATUS)
        if rng.random() < 0.5:
            reply += " " + rng.choice(frames.SAY_MORE)
    else:
        special = frames.FIELD_BY_KIND.get(names[field], ())
        ask = rng.choice(special if special and rng.random() < 0.5 else frames.FIELD_WITH_ID)
        bare, reply = rng.choice(frames.FIELD_BARE), rng.choice(frames.SAY_FIELD)

    def finish(id: str) -> tuple[dict[str, Any], str]:
        return {key_of(record.noun): record_values(rng, desk, record, id)}, reply

    return _id_errand(rng, desk, duty, ask, bare, field, finish)


def _cancel(rng: Random, desk: Desk, duty: Duty) -> Errand:
    ask, bare, reply = (
        rng.choice(each) for each in (frames.CANCEL, frames.CANCEL_BARE, frames.SAY_CANCELLED)
    )

    def finish(id: str) -> tuple[dict[str, Any], str]:
        return {key_of(duty.record.noun): {"id": id, "status": "cancelled"}}, reply

    return _id_errand(rng, desk, duty, ask, bare, "", finish)


def _new_value(rng: Random, desk: Desk, kind: str) -> str:
    """A value as a customer wishes for it."""
    if kind == "date":
        return values.spoken_day(rng)
    return str(values.value(rng, kind, desk.trade.goods))


def _change(rng: Random, desk: Desk, duty: Duty) -> Errand:
    """Two arguments; the new value is the one that may be missing."""
    id_name, new_name, field = duty.parameters
    id = desk.new_id(rng, duty.record)
    typed = values.written(rng, id)
    new = _new_value(rng, desk, dict(duty.record.fields)[field])
    words = _words(duty.record, field)
    return Errand(
        duty,
        put(surface(rng, put(rng.choice(frames.CHANGE), **words)), id=typed, new=new),
        {id_name: typed, new_name: new},
        {key_of(duty.record.noun): {"id": id, field: new}},
        put(rng.choice(frames.SAY_CHANGED), **words),
        put(surface(rng, put(rng.choice(frames.CHANGE_BARE), **words)), id=typed),
        new_name,
        put(rng.choice(frames.ASK_NEW), **words),
    )


def _book(rng: Random, desk: Desk, duty: Duty) -> Errand:
    thing_name, day_name = duty.parameters
    thing, day = values.thing(rng, desk.trade.goods), values.spoken_day(rng)
    key = key_of(duty.record.noun)
    result = {key: {"id": desk.new_id(rng, duty.record), "item": thing, "day": day}}
    return Errand(
        duty,
        put(surface(rng, rng.choice(frames.BOOK)), thing=thing, day=day),
        {thing_name: thing, day_name: day},
        result,
        put(
            rng.choice(frames.SAY_BOOKED), r=key, what=rng.choice(("request", "place", "wish", "reservation"))
        ),
        put(surface(rng, rng.choice(frames.BOOK_BARE)), thing=thing),
        day_name,
        rng.choice(frames.ASK_DAY),
    )


def _goods(rng: Random, desk: Desk, duty: Duty) -> Errand:
    thing = values.thing(rng, desk.trade.goods)
    key = rng.choice(("item", "product", "offer", "article_info", "goods"))
    sold_out = rng.random() < 0.25
    data: dict[str, Any] = {"name": thing, "price": values.money(rng)}
    data |= {"stock": "sold_out", "back": values.date(rng)} if sold_out else {"left": values.count(rng)}
    reply = rng.choice(frames.SAY_SOLD_OUT if sold_out else frames.SAY_GOODS)
    return Errand(
        duty,
        put(surface(rng, rng.choice(frames.GOODS)), thing=thing),
        {duty.parameters[0]: thing},
        {key: data},
        put(reply, r=key),
        surface(rng, rng.choice(frames.GOODS_BARE)),
        duty.parameters[0],
        rng.choice(frames.ASK_THING),
        lambda: _goods(rng, desk, duty),
        rng.choice(frames.NOT_FOUND_PLAIN),
    )


def _find(rng: Random, desk: Desk, duty: Duty) -> Errand:
    name = values.person(rng)
    who = values.email(rng) if rng.random() < 0.5 else name
    key = rng.choice(("customer", "member", "person", "account"))
    return Errand(
        duty,
        put(surface(rng, rng.choice(frames.FIND)), who=who),
        {duty.parameters[0]: who},
        {key: {"id": values.fill_pattern(rng, "K-####"), "name": name, "since": values.date(rng)}},
        put(rng.choice(frames.SAY_FOUND), r=key),
        surface(rng, rng.choice(frames.FIND_BARE)),
        duty.parameters[0],
        rng.choice(frames.ASK_WHO),
        lambda: _find(rng, desk, duty),
        rng.choice(frames.NOT_FOUND_PLAIN),
    )


def _list(rng: Random, desk: Desk, duty: Duty) -> Errand:
    words = _words(duty.record)
    key, count = key_of(duty.record.plural), rng.choice((0, 1, 2, 2, 3, 3, 4))
    states = (dict(duty.record.fields).get("status") or "open|closed|new").split("|")
    listed = ", ".join(f"{desk.new_id(rng, duty.record)} ({rng.choice(states)})" for _ in range(count))
    found: dict[str, Any] = {"count": count, "list": listed} if count else {"count": 0}
    reply = put(rng.choice(frames.SAY_LIST if count else frames.SAY_LIST_NONE), **{**words, "r": key})
    return Errand(duty, surface(rng, put(rng.choice(frames.LISTING), **words)), {}, {key: found}, reply)


def note_text(rng: Random) -> str:
    return put(
        rng.choice(frames.NOTES),
        code=values.fill_pattern(rng, "##@#"),
        phone=values.phone(rng),
        name=values.person(rng),
        money=values.money(rng),
        word=values.invented(rng)
        if rng.random() < 0.4
        else rng.choice(("fence", "tree", "red car", "shed", "bench")),
        day=values.spoken_day(rng),
        email=values.email(rng),
        number=rng.randrange(2, 30),
    )


def _note(rng: Random, desk: Desk, duty: Duty) -> Errand:
    id = desk.new_id(rng, duty.record)
    typed, text = values.written(rng, id), note_text(rng)
    key = key_of(duty.record.noun)
    # Nothing is put behind the note: where it ends must be plain.
    ask = put(rng.choice(frames.NOTE), noun=duty.record.noun)
    ask = rng.choice(("", "", "", *BEFORE)) + ask
    asked = put(ask, id=typed, text=text)
    return Errand(
        duty,
        asked,
        dict(zip(duty.parameters, (typed, text), strict=True)),
        {key: {"id": id, "note": text}},
        put(rng.choice(frames.SAY_NOTED), r=key),
    )


BUILDERS = {
    "get": _get, "cancel": _cancel, "change": _change, "book": _book, "goods": _goods, "find": _find,
    "list": _list, "note": _note,
}  # fmt: skip


def errand(rng: Random, desk: Desk, *kinds: str) -> Errand:
    """An errand that the desk has an action for; of one of `kinds` when any are named."""
    known = [duty for duty in desk.duties if duty.kind in (kinds or BUILDERS)]
    duty = rng.choice(known)
    return BUILDERS[duty.kind](rng, desk, duty)
