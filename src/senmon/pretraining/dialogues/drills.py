"""Tiny exercises in reading and copying: several in a conversation."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

from senmon.pretraining.dialogues import values
from senmon.pretraining.dialogues.articles import articles
from senmon.pretraining.dialogues.domains import TRADES
from senmon.pretraining.dialogues.surface import put, surface
from senmon.pretraining.dialogues.tasks import note_text

SYSTEMS = (
    "", "", "Do exactly what is asked, nothing more.", "You copy and read with care.", "Answer with the asked words only.",
    "You are {name}, a careful clerk. Short answers.", "Read, then answer in as few words as possible.",
)  # fmt: skip
COPY = (
    "Repeat: {it}", "Write this once more: {it}", "copy {it}", "Say {it}", 'Please repeat "{it}" exactly.', "Echo {it}",
    "Type {it} for me.", "Give me back exactly this: {it}", "{it} - again, please", "Once more without a change: {it}",
)  # fmt: skip
PICK = (
    "What is the {key}?", "{key}?", "Give me the {key}.", "Read out the {key}.", "Which {key} does it have?",
    "What stands under {key}?",
)  # fmt: skip
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")
Exchange = tuple[str, str]


def _token(rng: Random) -> str:
    way = rng.random()
    if way < 0.35:
        return values.written(
            rng, values.fill_pattern(rng, values.id_pattern(rng, values.invented(rng, 1) + "x"))
        )
    if way < 0.6:
        return values.invented(rng)
    return rng.choice(
        (values.email, values.money, values.person, values.spoken_day, values.phone, values.place)
    )(rng)


def copy(rng: Random) -> Exchange:
    it = (
        note_text(rng)
        if rng.random() < 0.4
        else " ".join(_token(rng) for _ in range(rng.choice((1, 1, 2, 3))))
    )
    return put(rng.choice(COPY), it=it), it


def spell(rng: Random) -> Exchange:
    word = values.invented(rng) if rng.random() < 0.5 else str(rng.randrange(100, 10**7))
    apart = rng.choice((" ", "-", ", "))
    frame = rng.choice(
        ("Spell {w} with {a} between.", "Take {w} apart with {a}.", "{w}, one by one, with {a} between")
    )
    shown = {" ": "spaces", "-": "dashes", ", ": "commas"}[apart]
    return put(frame, w=word, a=shown), apart.join(word)


def join(rng: Random) -> Exchange:
    word = values.invented(rng) if rng.random() < 0.4 else str(rng.randrange(100, 10**6))
    return put(rng.choice(("Put together: {w}", "Join {w}", "{w} in one piece?")), w=" ".join(word)), word


def nth(rng: Random) -> Exchange:
    items = [_token(rng) for _ in range(rng.randrange(3, 7))]
    if len(set(items)) < len(items) or any("," in item for item in items):
        items = list(dict.fromkeys(values.invented(rng, 2) for _ in range(4)))
    index = rng.randrange(len(items))
    listed = ", ".join(items)
    which = "last" if index == len(items) - 1 and rng.random() < 0.6 else ORDINALS[index]
    frame = rng.choice(
        ("{l}. Which is the {o}?", "Say the {o} of these: {l}", "List: {l}. The {o} one?", "{o} item of {l}")
    )
    return put(frame, l=listed, o=which), items[index]


def after(rng: Random) -> Exchange:
    items = list(dict.fromkeys(values.invented(rng, 2) for _ in range(rng.randrange(4, 7))))
    index = rng.randrange(1, len(items) - 1)
    way, at = rng.choice((("after", index + 1), ("before", index - 1)))
    return f"{' '.join(items)} - what comes {way} {items[index]}?", items[at]


def pick(rng: Random) -> Exchange:
    """A field out of a record, as JSON or as lines."""
    trade = rng.choice(TRADES)
    record = rng.choice(trade.records)
    data = {name: values.value(rng, kind, trade.goods) for name, kind in record.fields}
    key = rng.choice(list(data))
    if rng.random() < 0.6:
        shown = json.dumps({record.noun: data} if rng.random() < 0.5 else data, ensure_ascii=False)
    else:
        shown = rng.choice(("\n", ", ")).join(f"{name}: {value}" for name, value in data.items())
    return f"{shown}\n{put(rng.choice(PICK), key=key.replace('_', ' '))}", str(data[key])


def path(rng: Random) -> Exchange:
    """The reference that holds a value."""
    trade = rng.choice(TRADES)
    record = rng.choice(trade.records)
    data = {name: values.value(rng, kind, trade.goods) for name, kind in record.fields}
    key = rng.choice(list(data))
    shown = json.dumps({record.noun: data}, ensure_ascii=False)
    frame = rng.choice(
        ("Reference for the {k}?", "Name of the {k}?", "Say the {k} by its name.", "Point to the {k}.")
    )
    return f"{shown}\n{put(frame, k=key.replace('_', ' '))}", f"[[{record.noun}.{key}]]"


def find_id(rng: Random) -> Exchange:
    """The number inside a message."""
    id = values.written(
        rng, values.fill_pattern(rng, values.id_pattern(rng, rng.choice(TRADES).records[0].noun))
    )
    told = rng.choice(("it is about {id}", "I wrote about {id} last week", "{id} is mine", "the paper says {id}, I think",
                       "you sent me {id} and I don't know why", "my number ({id}) does not work", "nothing moves with {id}"))  # fmt: skip
    ask = rng.choice(("Which number is named?", "Take out the number.", "Only the number, please."))
    return f"{ask}\n{put(surface(rng, told), id=id)}", id


def mentions(rng: Random) -> Exchange:
    """Which of two passages, or whether one at all, tells something."""
    trade = rng.choice(TRADES)
    two = articles(rng, 2, trade.records[0].noun, trade.goods, facts=False)
    index = rng.randrange(2)
    point = rng.choice(two[index].points)
    text = "\n".join(f"{number}. {each.passage.text}" for number, each in enumerate(two, 1))
    if rng.random() < 0.5:
        return f"{text}\nWhich one answers: {point.question}", str(index + 1)
    return f"{text}\n{point.question}", point.plain


def holds(rng: Random) -> Exchange:
    trade = rng.choice(TRADES)
    one, other = articles(rng, 2, trade.records[0].noun, trade.goods, facts=False)
    yes = rng.random() < 0.5
    question = rng.choice((one if yes else other).points).question
    frame = rng.choice(
        ("Is this answered: {q}", "Does the text answer this? {q}", "{q} Is the answer there?")
    )
    return f"{one.passage.text}\n{put(frame, q=question)}", "yes" if yes else "no"


def swap(rng: Random) -> Exchange:
    """One word for another in a sentence."""
    words = note_text(rng).split()
    at, new = rng.randrange(len(words)), values.invented(rng)
    old = words[at]
    if words.count(old) > 1:
        return copy(rng)
    changed = " ".join([*words[:at], new, *words[at + 1 :]])
    return f"{' '.join(words)}\nWrite {new} for {old}.", changed


def same(rng: Random) -> Exchange:
    one = _token(rng)
    other = (
        one if rng.random() < 0.5 else (one[:-1] + rng.choice("xz7") if rng.random() < 0.7 else _token(rng))
    )
    return f"{one} and {other}: the same?", "yes" if one == other else "no"


def tally(rng: Random) -> Exchange:
    items = [rng.choice(rng.choice(TRADES).goods) for _ in range(rng.randrange(2, 7))]
    return f"{'; '.join(items)}\nHow many?", str(len(items))


EXERCISES: tuple[Callable[[Random], Exchange], ...] = (
    copy, copy, copy, spell, join, nth, nth, after, pick, pick, path, find_id, find_id, mentions, mentions, holds,
    swap, same, tally,
)  # fmt: skip


def drills(rng: Random) -> dict[str, Any]:
    """Two to six exercises, often several of one sort."""
    messages: list[dict[str, str]] = []
    system = put(rng.choice(SYSTEMS), name=rng.choice(values.FIRST))
    if system:
        messages.append({"role": "system", "content": system})
    sort = rng.choice(EXERCISES) if rng.random() < 0.5 else None
    for _ in range(rng.randrange(2, 6)):
        asked, answer = (sort or rng.choice(EXERCISES))(rng)
        messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
    return {"messages": messages, "source": "drills"}
