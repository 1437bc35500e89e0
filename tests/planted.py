"""A pack with known faults at known places, and beside each kind what only looks like it.

`build(folder)` writes the pack and gives the truth: kind of finding → the places that it must name.
Everything that is not in the truth must not be found.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

MANIFEST: Mapping[str, Any] = {
    "schema_version": 1,
    "title": "Planted",
    "description": "A shop whose data has known faults.",
    "licence": "Apache-2.0",
    "context": {"passages": 1},
    "recipe": {"max_tokens": 400},
    "checks": [{"name": "references"}, {"name": "grounded"}, {"name": "safety"}],
    "actions": {
        "specs": [
            {
                "name": "order_status",
                "description": "state of one order",
                "parameters": {
                    "type": "object",
                    "properties": {"order_id": {"type": "string"}},
                    "required": ["order_id"],
                    "additionalProperties": False,
                },
                "candidates": {"order_id": r"\b[A-Z]\d{4}\b"},
            },
            {"name": "list_orders", "description": "all orders of the customer"},
            {
                "name": "request_person",
                "description": "pass on to a person",
                "parameters": {
                    "type": "object",
                    "properties": {"reason": {"type": "string", "enum": ["asked", "complaint", "lost"]}},
                    "required": ["reason"],
                    "additionalProperties": False,
                },
            },
        ]
    },
}
ARTICLES = {
    "returns": (
        "Returns",
        {"return_days": "30 days"},
        "You can send things back within 30 days of delivery.",
    ),
    "hours": (
        "Opening hours",
        {"opening": "9 am"},
        "The shop opens at 9 am. Our hotline is +44 20 7946 0018.",
    ),
    "repairs": ("Repairs", {"repair_weeks": "2 weeks"}, "A repair takes 2 weeks."),
}
_THINGS = (
    "tent stove lantern jacket kettle rope compass helmet paddle hammock saddle goggles anchor whistle "
    "tarp ladle blanket cooler axe sledge canoe racket skateboard telescope"
)
THINGS = tuple(_THINGS.split())
_PLACES = (
    "Norway Iceland Malta Cyprus Chile Peru Kenya Ghana Nepal Japan Fiji Samoa Cuba Panama Oman Qatar "
    "Latvia Estonia Andorra Monaco Bhutan Laos Togo Benin"
)
PLACES = tuple(_PLACES.split())
_PERSONS = (
    "nephew neighbour colleague landlord coach cousin plumber teacher dentist gardener sister uncle niece "
    "manager godmother brother aunt pilot butcher florist nurse tailor"
)
PERSONS = tuple(_PERSONS.split())


@dataclass
class Planted:
    """The folder, and what must be found where."""

    folder: Path
    truth: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _files: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, record: Mapping[str, Any], name: str = "data/train.jsonl") -> str:
        """Writes a line; gives its place."""
        self._files[name].append(json.dumps(record, ensure_ascii=False))
        return f"{name}:{len(self._files[name])}"

    def plant(self, kind: str, *places: str) -> None:
        self.truth[kind].update(places)

    def write(self) -> None:
        for name, lines in self._files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def talk(request: str, reply: str, intent: str, split: str = "train", **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": request}, {"role": "assistant", "content": reply}]
    return {"intent": intent, "split": split, "messages": messages, **more}


def calling(
    request: str, action: str, arguments: Mapping[str, Any], intent: str, result: str
) -> dict[str, Any]:
    function = {"name": action, "arguments": json.dumps(arguments)}
    messages = [
        {"role": "user", "content": request},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        },
        {"role": "tool", "name": action, "tool_call_id": "c1", "content": "{}"},
        {"role": "assistant", "content": result},
    ]
    return {"intent": intent, "split": "train", "messages": messages}


def build(folder: Path) -> Planted:
    """Write the pack into `folder`, whose name becomes the pack's."""
    made = Planted(folder)
    folder.mkdir(parents=True)
    (folder / "pack.yaml").write_text(
        yaml.safe_dump({**MANIFEST, "name": folder.name}, sort_keys=False), encoding="utf-8"
    )
    (folder / "system.md").write_text("You are the assistant of a shop for outdoor gear.\n", encoding="utf-8")
    (folder / "actions.py").write_text("", encoding="utf-8")
    (folder / "knowledge").mkdir()
    for name, (title, facts, text) in ARTICLES.items():
        head = yaml.safe_dump({"title": title, "facts": facts})
        (folder / f"knowledge/{name}.md").write_text(f"---\n{head}---\n{text}\n", encoding="utf-8")
    _background(made)
    for plant in (_duplicates, _split_leaks, _suite_leaks, _intents, _replies, _deeds, _personal, _licences):
        plant(made)
    for plant in (_failures, _lengths, _coverage):
        plant(made)
    made.write()
    return made


def _background(made: Planted) -> None:
    """Sound data: many ways to ask, none alike."""
    ways = (
        ("Is the {} waterproof enough for a storm", "stock", "The {} keeps dry in rain."),
        ("How heavy is one {} when it is packed", "stock", "The {} is light enough to carry."),
        ("Which colours does the {} come in", "colours", "The {} comes in several colours, see its page."),
        ("Can a child use the {} alone", "safety", "A child should use the {} with a grown-up."),
    )
    for at, thing in enumerate(THINGS):
        request, intent, reply = ways[at % len(ways)]
        made.add(talk(request.format(thing), reply.format(thing), intent))
        request, intent, reply = ways[(at + 1) % len(ways)]
        made.add(talk(request.format(thing), reply.format(thing), intent))
    for place in PLACES:
        made.add(talk(f"What does shipping to {place} involve", f"For {place} we use the post.", "shipping"))


def _duplicates(made: Planted) -> None:
    for at, person in enumerate(PERSONS[:20]):
        request = f"I would like to give my {person} a voucher for {THINGS[at]} lessons next spring"
        reply = f"A voucher is a nice idea for a {person}, you find it under presents on our page."
        place = made.add(talk(request, reply, "vouchers"))
        if at % 2:
            made.plant("exact_duplicate", made.add(talk(f"{request.upper()}!", reply, "vouchers")))
            continue
        longer = (
            f"{reply} Write a few kind words on the card, hand it over with the {THINGS[at]} at breakfast."
        )
        first = made.add(talk(f"{request} before {PLACES[at]} day", longer, "vouchers"))
        near = made.add(
            talk(f"{request} before {PLACES[at]} day", longer.replace("kind", "warm"), "vouchers")
        )
        made.plant("near_duplicate", near)
        assert place != first


def _split_leaks(made: Planted) -> None:
    for at, place in enumerate(PLACES[:20]):
        request = f"My {THINGS[at]} got lost on its way to {place} and nobody at the depot answers the bell"
        reply = (
            f"I am sorry about the {THINGS[at]}. The post in {place} keeps lost parcels, please ask there."
        )
        made.add(talk(request, reply, "lost"))
        leaked = made.add(talk(request.replace("the bell", "a bell"), reply, "lost", split="valid"))
        made.plant("split_leak", leaked)
        made.plant("near_duplicate", leaked)
        # The same words with other things and another ending: held out rightly.
        other = f"Somebody at {place} opened my parcel, the {THINGS[-1 - at]} inside has a hole now"
        made.add(
            talk(
                other,
                f"That should not happen with a {THINGS[-1 - at]}. Send us a picture.",
                "lost",
                split="valid",
            )
        )


def _suite_leaks(made: Planted) -> None:
    """Items asked in training: word for word, in other order of politeness, with another order number."""
    for at, thing in enumerate(THINGS[:20]):
        asked = f"Does the {thing} come with a bag for {PLACES[at]}"
        said = (f"hi, {asked.lower()} please?", asked, f"{asked}!!", f"ok so {asked}")[at % 4]
        place = made.add(talk(said, f"The {thing} comes with a bag.", "stock"))
        _item(made, asked)
        made.plant("suite_leak", place)
        # Near, and yet another question: a leak of meaning at most.
        _item(made, f"Does the {thing} come with a stand for {PLACES[-1 - at]}")
    for at, person in enumerate(PERSONS[:12]):
        asked, reworded = _PARAPHRASES[at]
        place = made.add(
            talk(asked, f"Thank you for asking, my colleague for that is our {person}.", "people")
        )
        item = _item(made, reworded)
        made.plant("suite_leak_reworded", item)
        assert place


#: (what training asks, what an item asks): the same in other words.
_PARAPHRASES = (
    ("how do I become a wholesale partner", "what do I have to do to become one of your wholesale partners"),
    ("may my dog come into your shop", "is it allowed to bring a dog into the shop"),
    ("do you sponsor sports clubs", "would you be a sponsor of our sports club"),
    ("where can I park a camper near you", "is there parking for a camper van near your place"),
    ("do you hire students for the summer", "are there summer jobs for students at your company"),
    ("how do I stop your newsletter", "I want to unsubscribe from the newsletter"),
    ("do you plant trees for each sale", "is it true that a tree is planted for every sale"),
    ("can I rent skis for one weekend", "is renting skis for just a weekend possible"),
    ("who designs your catalogue", "which designer makes your catalogue"),
    ("are your boxes made of recycled paper", "is your packaging recycled paper"),
    ("do you have a loyalty card", "is there a card for loyal customers"),
    ("can you engrave a name on a knife", "do you offer engraving names on knives"),
)


def _item(made: Planted, asked: str) -> str:
    record = {
        "kind": "reply",
        "messages": [{"role": "user", "content": asked}],
        "expect": {"absent": ["nonsense"]},
    }
    return made.add(record, "eval/cases.jsonl")


def _intents(made: Planted) -> None:
    for at, person in enumerate(PERSONS[:20]):
        one = f"I want to book a climbing course for my {person} in {PLACES[at]}"
        other = (
            f"please book a climbing course for my {person} in {PLACES[at]}",
            f"hello! Could you book the climbing course for my {person} in {PLACES[at]}?",
            f"BOOK A CLIMBING COURSE FOR MY {person.upper()} IN {PLACES[at].upper()}",
        )[at % 3]
        reply = f"A course for your {person} is under Courses, choose {PLACES[at]} there."
        first, second = (
            made.add(talk(one, reply, "courses")),
            made.add(talk(other, f"{reply} Have fun.", "events")),
        )
        made.plant("intent_conflict", first, second)
        # The opposite, and another thing: other intents with good reason.
        cancel = f"do not book a climbing course for my {person} in {PLACES[at]}"
        made.add(talk(cancel, f"Good, no course for your {person} then.", "declines"))
        made.add(
            talk(
                f"I want to book a diving trip for my {person} in {PLACES[at]}",
                f"Diving in {PLACES[at]} it is.",
                "trips",
            )
        )


def _replies(made: Planted) -> None:
    for at, thing in enumerate(THINGS[:20]):
        request = f"Does the {thing} float on salt water"
        pairs = (
            (f"Yes, the {thing} floats on any water.", f"No, the {thing} sinks like a stone."),
            (f"The {thing} can float on water for hours.", f"The {thing} can not float on water for hours."),
            (
                f"A {thing} like this floats, as our makers tested in a pool.",
                "I can't help with that, sorry.",
            ),
        )
        left, right = pairs[at % 3]
        first = made.add(talk(request, left, "float"))
        second = made.add(talk(f"hi, {request.lower()}?", right, "float"))
        made.plant("reply_conflict", first, second)
        # Two replies that say one thing in two ways.
        asked = f"What is the {thing} good for in {PLACES[at]}"
        made.add(talk(asked, f"A {thing} is good for long days outside in {PLACES[at]}.", "use"))
        made.add(
            talk(
                f"{asked}??",
                f"Long days outside: that is what a {thing} is made for, in {PLACES[at]} too.",
                "use",
            )
        )


def _deeds(made: Planted) -> None:
    for at, thing in enumerate(THINGS[:20]):
        request = f"My {thing} order A{3000 + at} seems to be stuck at {PLACES[at]}"
        first = made.add(
            calling(request, "order_status", {"order_id": f"A{3000 + at}"}, "stuck", "It is on its way.")
        )
        if at % 2:
            other = calling(
                f"{request} please", "request_person", {"reason": "lost"}, "stuck", "A person will help you."
            )
        else:
            other = talk(f"hello, {request}", f"Our {thing} makers are on holiday.", "stuck")
        made.plant("action_conflict", first, made.add(other))
        # The same deed for another order.
        asked = f"track my {thing} from {PLACES[at]}, number A{{}}"
        for number, reply in (
            (5000 + at, f"Your {thing} is on its way."),
            (6000 + at, f"The {thing} has left us."),
        ):
            said = asked.format(number)
            made.add(calling(said, "order_status", {"order_id": f"A{number}"}, "track", reply))


#: Somebody's: kind → what visitors write. All pass their check digits; the numbers belong to nobody known.
PERSONAL: Mapping[str, tuple[str, ...]] = {
    "email": ("lena.h@posteo.de", "k.osei+gear@mail.gh", "the_ropes@web-mail.co.uk", "M.Sato@kaze.jp"),
    "phone": (
        "+49 151 2345 6789",
        "call me on 0171 2345678",
        "(212) 736-5000",
        "my mobile is 06 12 34 56 78",
        "+1 415 555 2671",
        "phone 020 7183 8750",
    ),
    "card": ("4539 1488 0343 6467", "5500000000000004", "371682001927199"),
    "iban": ("DE44 5001 0517 5407 3249 31", "NL91ABNA0417164300", "FR14 2004 1010 0505 0001 3M02 606"),
    "national": (
        "my ssn is 536-90-4399",
        "DNI 12345678Z",
        "756.9217.0769.85",
        "PESEL 44051401359",
        "nhs number 943 476 5919",
    ),
    "ip": ("my router shows 81.2.69.142", "it is 2001:4860:4860::8888"),
}
#: Nobody's: looks like the above, and is an order number, a date, a price, a wrong check digit.
HARMLESS = (
    "order 4417 1234 5678 9114",
    "order number 0171 2345678",
    "my ticket is 212-736-5000",
    "it was on 2024-05-17 at 10:30",
    "between 12.05.2024 and 19.05.2024",
    "I paid 1.299.000,00 for it",
    "card 4539 1488 0343 6468 is not mine, the digits are made up",
    "DE45 5001 0517 5407 3249 31 is a typing error",
    "the serial number is 536 90 4399 1",
    "tracking PP 7340 118 220",
    "version 10.4.3.2 of the app",
    "article 12345678",
    "isbn 978-3-16-148410-0",
    "invoice 2024-000123-77",
    "write to support@example.com as the help says",
    "@outdoor_fans said so",
    "there are 1234567 stars",
    "12345678A is on the label",
    "customer number 30 12 34 56 78",
    "parcel 00340434161094042557",
    "size 10.5.3",
    "the years 2019-2024",
    "300.400.500.600 is what the screen shows",
    "hotline +44 20 7946 0018, right?",
)


def _personal(made: Planted) -> None:
    for kind, said in PERSONAL.items():
        for at, words in enumerate(said):
            request = f"For the {kind} list of the {PLACES[at]} club: {words}"
            made.plant(
                "personal_data", made.add(talk(request, f"Noted for {PLACES[at]}, thank you.", "lists"))
            )
    for at, words in enumerate(HARMLESS):
        made.add(
            talk(f"For the {THINGS[at]} page of the club: {words}", f"I see, the {THINGS[at]} page.", "lists")
        )


def _licences(made: Planted) -> None:
    bad = (
        "",
        "unknown",
        "CC-BY-NC-4.0",
        "CC-BY-ND-4.0",
        "GPL-3.0-only",
        "MIT licence",
        "CC-BY-SA-4.0",
        "LicenseRef-mine",
    )
    good = (
        "MIT",
        "CC-BY-4.0",
        "CC0-1.0",
        "Apache-2.0 OR GPL-3.0-only",
        "BSD-3-Clause AND MIT",
        "CDLA-Permissive-2.0",
    )
    for at, licence in enumerate((*bad, *good)):
        request = f"Tell me a story of {PLACES[at]} that nobody knows"
        place = made.add(
            talk(request, f"In {PLACES[at]} a {THINGS[at]} once won a race.", "stories", licence=licence)
        )
        if licence in bad and licence:  # an empty licence takes the pack's own
            made.plant("licence", place)


def _failures(made: Planted) -> None:
    for at, thing in enumerate(THINGS[:20]):
        bad = (
            f"The {thing} costs €{41 + at}.50 today.",
            f"Delivery of the {thing} takes {3 + at} days.",
            f"Use the card 4716 {2000 + at} for the {thing}, it saves {11 + at} %.",
        )[at % 3]
        place = made.add(talk(f"What about buying one {thing} with {PERSONS[at]} points", bad, "points"))
        made.plant("check_failure", place)
        fine = f"The price of the {thing} is on its page, with points or without."
        made.add(talk(f"And what about buying two {thing} sets with {PERSONS[at]} points", fine, "points"))


def _lengths(made: Planted) -> None:
    for at in range(6):
        words = " ".join(
            f"{THINGS[(at * 5 + n) % len(THINGS)]} and {PLACES[(at + n * 7) % len(PLACES)]}"
            for n in range(120)
        )
        made.plant("too_long", made.add(talk(f"My list {at}: {words}", "That is a long list.", "long")))
        short = " ".join(
            f"{THINGS[(at * 3 + n) % len(THINGS)]} {PERSONS[(at * 2 + n) % len(PERSONS)]}" for n in range(40)
        )
        made.add(talk(f"My short list {at}: {short}", f"Fine, {THINGS[at]} comes first.", "long"))


def _coverage(made: Planted) -> None:
    """`list_orders`, the article `repairs` and its fact, the reason `complaint` are in no training line."""
    made.plant("uncovered_action", "list_orders")
    made.plant("uncovered_article", "repairs")
    made.plant("uncovered_fact", "repairs")
    made.plant("uncovered_argument", "request_person")
    for article, fact in (("returns", "return_days"), ("hours", "opening")):
        for thing in THINGS[:9]:
            made.add(
                {
                    "intent": article,
                    "split": "train",
                    "messages": [
                        {"role": "user", "content": f"I need to know about {article} because of the {thing}"},
                        {"role": "tool", "name": "context", "passages": [article]},
                        {"role": "assistant", "content": f"For your {thing}: [[article.{fact}]]."},
                    ],
                }
            )
    for at, thing in enumerate(THINGS[:10]):
        request = f"I want to talk to somebody about the {thing} in {PLACES[at]}"
        made.add(
            calling(
                request,
                "request_person",
                {"reason": "asked"},
                "person",
                f"Somebody who knows the {thing} will help.",
            )
        )
    for count, intent in ((3, "thin_one"), (7, "thin_two"), (9, "thick_enough")):
        for at in range(count):
            made.add(
                talk(
                    f"{intent.replace('_', ' ')} asks the {THINGS[at]} {PERSONS[at]}",
                    f"A {THINGS[at]}, a {PERSONS[at]}.",
                    intent,
                )
            )
        if count < 8:
            made.plant("thin_intent", intent)
    made.plant("thin_intent", "long_but_few")
    for at in range(6):  # six different requests, the same three times over in politeness only
        for polite in ("", "hi, ", "please "):
            request = f"{polite}lend me the big {THINGS[at]} of {PLACES[at]} for a while"
            made.add(
                talk(
                    request,
                    f"We lend no {THINGS[at]} {len(polite)}.".replace(" 0.", " here.")
                    .replace(" 4.", " yet.")
                    .replace(" 7.", " now."),
                    "long_but_few",
                )
            )


def measured(truth: Iterable[str], found: Iterable[str]) -> tuple[int, int, int]:
    """(right, found, planted)."""
    wanted, got = set(truth), set(found)
    return len(wanted & got), len(got), len(wanted)
