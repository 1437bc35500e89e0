"""Articles of invented businesses: passages with facts, and the questions that their sentences answer."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from senmon.messages import Passage
from senmon.pretraining.dialogues import values
from senmon.pretraining.dialogues.surface import put
from senmon.pretraining.dialogues.topics import TOPICS, Topic


@dataclass(frozen=True, slots=True)
class Point:
    """A sentence of a passage, as it stands there and with references, and a question that it answers."""

    plain: str
    answer: str
    question: str


@dataclass(frozen=True, slots=True)
class Article:
    """A passage and what can be asked about it."""

    topic: str
    passage: Passage
    points: tuple[Point, ...]


def _article(
    rng: Random, topic: Topic, noun: str, goods: tuple[str, ...], facts: bool, answers: bool
) -> Article:
    told: dict[str, str] = {}
    points = []
    thing = rng.choice(goods)
    chosen = rng.sample(topic.points, rng.randrange(1, len(topic.points) + 1))
    for sentence, questions in chosen:
        text = put(sentence, noun=noun, thing=thing)
        plain, answer = text, text
        for slot, kind in topic.slots(sentence):
            name = f"{topic.key}_{slot}"
            told[name] = str(values.value(rng, kind, goods))
            plain = plain.replace(f"{{{slot}:{kind}}}", told[name])
            answer = answer.replace(f"{{{slot}:{kind}}}", f"[[article.{name}]]")
        asked = put(rng.choice(questions), noun=noun, thing=thing)
        points.append(Point(plain, answer if facts else plain, asked))
    title = put(rng.choice(topic.titles), noun=noun)
    text = " ".join(point.plain for point in points)
    answer = " ".join(point.answer for point in points) if answers else ""
    passage = Passage(topic.key, title, text, facts=told if facts else {}, answer=answer)
    return Article(topic.key, passage, tuple(points))


def invented_topic(rng: Random) -> Topic:
    """A topic about something that does not exist, so that nothing but reading helps."""
    word, other = values.invented(rng, 2), values.invented(rng, 2)
    place, act = (
        rng.choice(("cellar", "kiosk", "yard", "hall", "attic", "lobby")),
        rng.choice(("kept", "sold", "washed")),
    )
    points = (
        (
            f"The {word} is {act} in the {place}.",
            (f"Where is the {word} {act}?", f"In which place is the {word}?"),
        ),
        (f"A {word} lasts {{time:period}}.", (f"How long does a {word} last?", f"{word} - how long?")),
        (f"Each {word} costs {{price:money}}.", (f"What does a {word} cost?", f"How much is one {word}?")),
        (
            f"Never put a {word} next to a {other}.",
            (f"May the {word} stand by a {other}?", f"Is {word} with {other} ok?"),
        ),
        (
            f"{word.capitalize()} questions go to {{who:person}}.",
            (f"Who knows about the {word}?", f"Whom do I ask about {word}?"),
        ),
        (
            f"The {word} opens on {{day:date}}.",
            (f"When does the {word} open?", f"On what day is the {word} open?"),
        ),
    )
    return Topic(word, (f"The {word}", f"About the {word}", f"{word.capitalize()} rules"), points)


def articles(
    rng: Random,
    count: int,
    noun: str,
    goods: tuple[str, ...],
    *,
    facts: bool,
    answers: bool = False,
    besides: frozenset[str] = frozenset(),
) -> list[Article]:
    """So many articles on different topics, none of `besides`."""
    known = [topic for topic in TOPICS if topic.key not in besides]
    picked = [invented_topic(rng) if rng.random() < 0.2 else topic for topic in rng.sample(known, count)]
    return [_article(rng, topic, noun, goods, facts, answers) for topic in picked]


def noise(
    rng: Random, share: float, noun: str, goods: tuple[str, ...], *, facts: bool, answers: bool
) -> list[Passage]:
    """Passages that a turn brings along for nothing, in `share` of the turns."""
    if rng.random() >= share:
        return []
    return [
        each.passage
        for each in articles(rng, rng.choice((1, 1, 2)), noun, goods, facts=facts, answers=answers)
    ]
