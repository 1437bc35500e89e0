"""What a base is asked to show: seeded conversations in the product's own format, with exact answers.

Nothing here is in any training text: records, ids and numbers are drawn anew from the seed. A probe says what
the prompt is, and judges what was generated. None of them needs knowledge of the world.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from senmon.messages import Message, ToolCall
from senmon.packs.manifest import ActionSpec

_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)*")
TOOLS = {
    "order_status": ("order_id", "look up where an order is", "Where is my order {id}?"),
    "cancel_order": ("order_id", "cancel an order", "Please cancel order {id}."),
    "refund_status": ("order_id", "look up a refund", "Has the money for order {id} been refunded?"),
    "resend_invoice": ("order_id", "send the invoice again", "Send me the invoice of order {id} again."),
    "start_return": ("order_id", "start a return", "I want to return order {id}."),
    "track_parcel": ("tracking", "follow a parcel", "Can you track the parcel {id}?"),
    "ticket_status": ("ticket_id", "look up a support ticket", "What is the status of ticket {id}?"),
    "close_ticket": ("ticket_id", "close a support ticket", "You can close ticket {id} now."),
}  # fmt: skip
_STATUSES = ("shipped", "delivered", "delayed", "cancelled", "on hold", "processing")
_CARRIERS = ("DHL", "UPS", "FedEx", "Hermes", "GLS", "Royal Mail")
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September")
_ITEMS = ("desk lamp", "rain jacket", "coffee grinder", "bike helmet", "wool blanket", "phone case")


@dataclass(frozen=True, slots=True)
class Generated:
    """What came: the text, and the call if there was one."""

    text: str
    call: ToolCall | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One prompt. `judges` maps a probe's name to what decides it on the same reply."""

    messages: tuple[Message, ...]
    judges: Mapping[str, Callable[[Generated], bool]]
    tools: tuple[ActionSpec, ...] = ()
    max_tokens: int = 64
    wanted: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """`title` for tables; `cant` ends the sentence "It can't be trusted to …"."""

    name: str
    title: str
    cant: str


PROBES = (
    Probe("copy_id", "copies an order id exactly out of a record", "copy an id out of a record"),
    Probe("fields", "phrases a record: every field asked for is in the reply", "put a record into words"),
    Probe("tool", "picks the right tool of five", "pick the right tool"),
    Probe("argument", "copies the id into the call's argument", "copy an id into a call"),
    Probe("sum", "adds two 3-digit numbers", "add numbers"),
    Probe("algebra", "solves an equation of one step", "do a step of algebra"),
)


@dataclass(slots=True)
class _Draw:
    rng: random.Random
    record: dict[str, str] = field(default_factory=dict)

    def identifier(self) -> str:
        rng = self.rng
        digits = "".join(rng.choice("0123456789") for _ in range(rng.choice((5, 6, 7))))
        letters = "".join(rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(2))
        return rng.choice((digits, f"{letters}-{digits}", f"{letters[0]}{digits}", f"ORD-{digits}"))

    def order(self) -> dict[str, str]:
        rng = self.rng
        return {
            "order_id": self.identifier(),
            "item": rng.choice(_ITEMS),
            "status": rng.choice(_STATUSES),
            "carrier": rng.choice(_CARRIERS),
            "delivery_date": f"{rng.choice(_MONTHS)} {rng.randint(1, 28)}",
            "total": f"${rng.randint(5, 480)}.{rng.randint(0, 99):02d}",
        }


def cases(count: int, *, seed: int = 0) -> list[Case]:
    """`count` cases for every probe; pick and copy of a call are judged on the same replies."""
    makers = (_copy_id, _fields, _call, _sum, _algebra)
    return [
        make(_Draw(random.Random(f"{seed}/{make.__name__}/{number}")))
        for make in makers
        for number in range(count)
    ]


def _result(record: Mapping[str, str]) -> Message:
    shuffled = json.dumps({"order": dict(record)}, ensure_ascii=False)
    return Message("tool", shuffled, tool_call_id="call_1", name="order_status")


def _opened(question: str, draw: _Draw) -> tuple[Message, ...]:
    """System text, question, a call that was made, and its result."""
    draw.record = draw.order()
    items = list(draw.record.items())
    draw.rng.shuffle(items)
    call = ToolCall("call_1", "last_order", {})
    system = (
        "You are the assistant of an online shop. Answer in one short sentence from the facts you are given."
        "\n\nTools:\n- last_order(): look up the customer's last order"
    )
    return (
        Message("system", system),
        Message("user", question),
        Message("assistant", tool_calls=(call,)),
        _result(dict(items)),
    )


def _copy_id(draw: _Draw) -> Case:
    asked = ("What is my order number?", "Which order id do I have?", "Tell me the number of my last order.")
    messages = _opened(draw.rng.choice(asked), draw)
    wanted = draw.record["order_id"]
    return Case(messages, {"copy_id": lambda reply: _has(reply.text, wanted)}, wanted=wanted)


_QUESTIONS = {
    ("status", "delivery_date"): "What is the status of my order, and when will it arrive?",
    ("status", "carrier"): "What is the status of my order, and who delivers it?",
    ("carrier", "delivery_date"): "Who brings my order, and on what day?",
    ("item", "total"): "What did I order, and what does it cost?",
    ("item", "status"): "Which item is it, and what is its status?",
}


def _fields(draw: _Draw) -> Case:
    fields, question = draw.rng.choice(sorted(_QUESTIONS.items()))
    messages = _opened(question, draw)
    wanted = [draw.record[name] for name in fields]
    judge = {"fields": lambda reply: all(_has(reply.text.lower(), value.lower()) for value in wanted)}
    return Case(messages, judge, wanted=", ".join(wanted))


def _call(draw: _Draw) -> Case:
    names = draw.rng.sample(sorted(TOOLS), 5)
    wanted, value = names[0], draw.identifier()
    draw.rng.shuffle(names)
    specs = tuple(_spec(name) for name in names)
    lines = [f"- {spec.name}({TOOLS[spec.name][0]}): {spec.description}" for spec in specs]
    system = "You are the assistant of an online shop. Look things up before you answer.\n\nTools:\n"
    messages = (
        Message("system", system + "\n".join(lines)),
        Message("user", TOOLS[wanted][2].format(id=value)),
    )
    judges: dict[str, Callable[[Generated], bool]] = {
        "tool": lambda reply: reply.call is not None and reply.call.name == wanted,
        "argument": lambda reply: reply.call is not None and value in reply.call.arguments.values(),
    }
    return Case(messages, judges, specs, wanted=f"{wanted}({value})")


def _spec(name: str) -> ActionSpec:
    argument, description, _ = TOOLS[name]
    parameters = {
        "type": "object",
        "properties": {argument: {"type": "string", "maxLength": 24}},
        "required": [argument],
        "additionalProperties": False,
    }
    return ActionSpec(name=name, description=description, parameters=parameters)


_TUTOR = Message("system", "You are a patient maths tutor. Show the step, then the answer.")


def _sum(draw: _Draw) -> Case:
    first, second = draw.rng.randint(100, 999), draw.rng.randint(100, 999)
    asked = draw.rng.choice(("What is {} + {}?", "Work out {} + {}.", "Add {} and {}.", "Calculate {} + {}."))
    wanted = str(first + second)
    return Case(
        (_TUTOR, Message("user", asked.format(first, second))),
        {"sum": lambda reply: last_number(reply.text) == wanted},
        max_tokens=120,
        wanted=wanted,
    )


def _algebra(draw: _Draw) -> Case:
    rng = draw.rng
    x, a = rng.randint(2, 12), rng.randint(2, 12)
    letter = rng.choice("xyn")
    equation = rng.choice(
        (f"{letter} + {a} = {x + a}", f"{letter} - {a} = {x - a}", f"{a}{letter} = {a * x}")
    )
    wanted = re.compile(rf"\b{letter}\s*=\s*{x}(?![\d.,]*\d)")
    return Case(
        (_TUTOR, Message("user", rng.choice(("Solve {}.", "Solve {} for {}.")).format(equation, letter))),
        {
            "algebra": lambda reply: (
                wanted.search(reply.text) is not None and last_number(reply.text) == str(x)
            )
        },
        max_tokens=100,
        wanted=f"{letter} = {x}",
    )


def last_number(text: str) -> str:
    """The last number in a text, without separators of thousands; empty when there is none."""
    found = _NUMBER.findall(text)
    return str(found[-1]).replace(",", "") if found else ""


def _has(text: str, value: str) -> bool:
    """`value` stands in `text`, not as part of a longer word or number."""
    pattern = rf"(?<![\w-]){re.escape(value)}(?![\w-])(?!\.\d)"
    return re.search(pattern, text) is not None


#: Shown with their greedy replies, for people to read.
SAMPLES: Sequence[tuple[str, str]] = (
    ("You are the assistant of an online shop. Answer in one short sentence.", "Hello!"),
    ("You are the assistant of an online shop. Answer in one short sentence.", "My parcel has not come yet."),
    ("You are the assistant of an online shop. Answer in one short sentence.", "Can I send a jacket back?"),
    (_TUTOR.content, "Solve 3x - 7 = 11."),
    (_TUTOR.content, "Why do we need a common denominator to add fractions?"),
)  # fmt: skip
