"""Makes the training data: `python domains/tutor/tools/generate.py` rewrites `data/*.jsonl`, byte for byte.

Pupils' words and the tutor's wording are in `phrases.py`. Problems and attempts are drawn with a fixed seed,
and every result of an action comes from running the pack's own actions, so that training shows what serving
will show.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import re
import sys
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml
from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

_SLOTS = re.compile(r"(\{\w\})")
PACK = Path(__file__).resolve().parents[1]
SEED = 20260
#: Of a conversation's messages with their keys; longer ones would not fit into the recipe's `max_tokens`.
MOST_CHARACTERS = 2460
Record = dict[str, Any]


def load(name: str, path: Path) -> ModuleType:
    """A module or package of this pack, under a name of its own."""
    search = [str(path.parent)] if path.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=search)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


actions = load("tutor_pack_actions", PACK / "actions" / "__init__.py")
phrases = load("tutor_pack_phrases", PACK / "tools" / "phrases.py")
voices = load("tutor_pack_voices", PACK / "tools" / "more_phrases.py")
asides = load("tutor_pack_asides", PACK / "tools" / "asides.py")
for _name in (
    "OPENINGS",
    "ATTEMPTS",
    "STUCK",
    "ASK_ANSWER",
    "FRUSTRATED",
    "OFF_TOPIC",
    "THANKS",
    "GREETINGS",
):
    setattr(phrases, _name, getattr(phrases, _name) + getattr(voices, _name))
phrases.OFF_TOPIC += asides.STRAYS
phrases.GOODBYES += voices.GOODBYES
phrases.ABOUT += voices.ABOUT
phrases.ASKING += voices.IDEAS
mistakes = sys.modules["tutor_pack_actions.mistakes"]
solver = sys.modules["tutor_pack_actions.solver"]
writing = sys.modules["tutor_pack_actions.writing"]


class Talk:
    """A conversation under way: its messages, and the slots that serving would keep."""

    #: Where the pattern of an argument did not find what the pupil meant.
    missed: list[tuple[str, str]] = []  # noqa: RUF012 (one list for all)

    def __init__(self, patterns: Mapping[str, str]) -> None:
        self.patterns = patterns
        self.messages: list[Record] = []
        self.slots: dict[str, Any] = {}
        self.calls = 0

    def user(self, text: str, article: str = "") -> None:
        self.messages.append({"role": "user", "content": text})
        if article:
            self.messages.append({"role": "tool", "name": "context", "passages": [article]})

    def say(self, text: str) -> None:
        self.messages.append({"role": "assistant", "content": text})

    def call(self, action: Any, argument: str = "", wanted: str = "") -> Record:
        """Calls an action as serving would; the argument is what its pattern finds in the pupil's words.

        Raises LookupError when that is not `wanted`.
        """
        self.calls += 1
        arguments = {argument: self._copied(argument)} if argument else {}
        if wanted and arguments[argument] != wanted.strip():
            self.missed.append((wanted, arguments[argument]))
            raise LookupError(f"{arguments[argument]!r} is not {wanted!r}")
        name, call_id = action.name(), f"call_{self.calls}"
        function = {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)}
        call = {"id": call_id, "type": "function", "function": function}
        self.messages.append({"role": "assistant", "content": "", "tool_calls": [call]})
        dispatcher = CollectingDispatcher()
        tracker = Tracker.from_dict(
            {"sender_id": "x", "slots": {**self.slots, **arguments}, "latest_message": {}, "events": []}
        )
        for event in action.run(dispatcher, tracker, {}):
            self.slots[event["name"]] = event["value"]
        result = dispatcher.messages[0]["custom"]
        content = json.dumps(result, ensure_ascii=False)
        self.messages.append({"role": "tool", "name": name, "tool_call_id": call_id, "content": content})
        return dict(result)

    def _copied(self, argument: str) -> str:
        said = next(m["content"] for m in reversed(self.messages) if m["role"] == "user")
        found = [match.group(0).strip() for match in re.finditer(self.patterns[argument], said)]
        if not found:
            raise LookupError(f"no {argument} in {said!r}")
        return max(found, key=len)

    def done(self, intent: str) -> Record:
        return {"intent": intent, "messages": self.messages, "origin": "written for senmon"}


class Maker:
    """Draws problems, attempts and words."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        manifest = yaml.safe_load((PACK / "pack.yaml").read_text(encoding="utf-8"))
        specs = manifest["actions"]["specs"]
        self.patterns = {k: v.strip() for spec in specs for k, v in spec.get("candidates", {}).items()}
        self.decks: dict[int, list[str]] = {}

    def pick(self, choices: tuple[str, ...]) -> str:
        """Like drawing from a shuffled deck: every phrase comes before one comes twice."""
        deck = self.decks.setdefault(id(choices), [])
        if not deck:
            deck.extend(self.random.sample(choices, len(choices)))
        return deck.pop()

    def talk(self) -> Talk:
        return Talk(self.patterns)

    def voiced(self, text: str) -> str:
        """A phrase as somebody in a hurry, in a chat or on a phone would type it; `{m}` stays as it is."""
        roll = self.random.random
        if roll() < 0.1:
            text = "".join(part if part.startswith("{") else part.lower() for part in _SLOTS.split(text))
        if roll() < 0.06 and len(text) > 6:
            text = "".join(part if part.startswith("{") else part.upper() for part in _SLOTS.split(text))
        if roll() < 0.12:
            for long, short in self.random.sample(voices.SHORT, 4):
                text = re.sub(rf"\b{long}\b", short, text)
        if roll() < 0.06:
            text = text.rstrip("?!.") or text
        if roll() < 0.07:
            text = self.random.choice(voices.BEFORE) + text[:1].lower() + text[1:]
        if roll() < 0.1:
            text += self.random.choice(voices.AFTER)
        return self.typo(text)

    def typo(self, text: str) -> str:
        """Now and then a slip in a longer word; maths stays as it is."""
        if self.random.random() > 0.12:
            return text
        words = text.split(" ")
        spots = [i for i, word in enumerate(words) if len(word) > 4 and word.isalpha()]
        if spots:
            spot = self.random.choice(spots)
            at = self.random.randrange(1, len(words[spot]) - 1)
            word = words[spot]
            words[spot] = (
                word[:at] + word[at + 1 :]
                if self.random.random() < 0.5
                else (word[:at] + word[at + 1] + word[at] + word[at + 2 :])
            )
        return " ".join(words)

    # --- problems

    def number(self, low: int, high: int) -> int:
        return self.random.randint(low, high)

    def letter(self) -> str:
        return self.random.choice("xxxxxynabt"[:8] + "yz")

    def linear(self) -> str:
        x, root = self.letter(), self.number(-6, 12)
        a, b = self.number(2, 9), self.number(1, 15)
        kind = self.random.choice(
            ("two", "two", "two", "one", "one", "both", "both", "bracket", "bracket", "over", "mirror")
        )
        sign = self.random.choice("+-")
        shift = b if sign == "+" else -b
        if kind == "one":
            return self.random.choice(
                (f"{x} {sign} {b} = {root + shift}", f"{a}{x} = {a * root}", f"{x}/{a} = {root}")
            )
        if kind == "both":
            c = self.number(1, a + 4)
            c = c + 1 if c == a else c
            cx = x if c == 1 else f"{c}{x}"
            rest = (a - c) * root + shift
            tail = f" {'-' if rest < 0 else '+'} {abs(rest)}" if rest else ""
            return f"{a}{x} {sign} {b} = {cx}{tail}"
        if kind == "bracket":
            b = self.number(1, 7)
            return f"{a}({x} {sign} {b}) = {a * (root + (b if sign == '+' else -b))}"
        if kind == "over":
            return f"{x}/{a} {sign} {b} = {root + shift}"
        if kind == "mirror":
            return f"{a * root + shift} = {a}{x} {sign} {b}"
        return f"{a}{x} {sign} {b} = {a * root + shift}"

    def quadratic(self) -> str:
        p, q = self.number(-6, 7), self.number(1, 8)
        b, c = -(p + q), p * q
        if self.random.random() < 0.2:
            return f"(x {'-' if q > 0 else '+'} {abs(q)})(x + {abs(p) + 1}) = 0"
        middle = "" if not b else f" {'-' if b < 0 else '+'} {'' if abs(b) == 1 else abs(b)}x"
        end = "" if not c else f" {'-' if c < 0 else '+'} {abs(c)}"
        return f"x^2{middle}{end} = 0"

    def arithmetic(self) -> str:
        a, b, c, d = (self.number(2, 12) for _ in range(4))
        return self.random.choice(
            (
                f"{a} + {b} * {c}",
                f"({a} + {b}) * {c}",
                f"{a * b + c} - {a} * {b}",
                f"{a} * {b}",
                f"{a * b} ÷ {b}",
                f"{a * 7 + b} + {c * 6 + d}",
                f"{a * 11} - {b * 3}",
                f"{a} * ({b} + {c}) - {d}",
                f"{a}^2 + {b}",
                f"{a * b} / {b} + {c}",
                f"{a}.{b % 9 + 1} + {c}.{d % 9 + 1}",
                f"{a} - {a + b}",
            )
        )

    def fraction(self) -> str:
        b, d = self.number(2, 9), self.number(2, 9)
        a, c = self.number(1, b - 1) if b > 2 else 1, self.number(1, d - 1) if d > 2 else 1
        sign = self.random.choice(("+", "+", "+", "-", "*", "÷"))
        if self.random.random() < 0.12:
            k = self.number(2, 6)
            return f"{a * k}/{b * k}" if Fraction(a, b).denominator == b else f"{a}/{b} + {c}/{d}"
        if self.random.random() < 0.1:
            return f"{self.number(1, 4)} {a}/{b} + {c}/{d}"
        return f"{a}/{b} {sign} {c}/{d}"

    def percentage(self) -> str:
        share = self.random.choice((5, 10, 15, 20, 25, 30, 35, 40, 50, 60, 75, 80, 3, 12))
        whole = self.random.choice((20, 40, 50, 60, 80, 90, 120, 150, 200, 240, 300, 400, 500))
        return f"{share}% of {whole}"

    def expression(self) -> str:
        a, b, c, x = self.number(2, 7), self.number(1, 9), self.number(2, 6), self.letter()
        sign = self.random.choice("+-")
        return self.random.choice(
            (
                f"{a}({x} {sign} {b})",
                f"{a}{x} + {c}{x}",
                f"{a}{x} + {b} - {x}",
                f"{a}({c}{x} {sign} {b}) + {x}",
                f"({x} + {b})({x} {sign} {c})",
            )
        )

    def value(self) -> str:
        a, b, v, x = self.number(2, 8), self.number(1, 9), self.number(-3, 7), self.random.choice("xyn")
        return self.random.choice(
            (f"{a}{x} + {b} when {x} = {v}", f"{x}^2 - {b} when {x} = {v}", f"{b} - {a}{x} when {x} = {v}")
        )

    def styled(self, text: str) -> str:
        """The ways pupils type: without spaces, with other signs."""
        roll = self.random.random()
        if " when " not in text and "%" not in text and not re.match(r"\d+ \d+/", text) and roll < 0.45:
            text = text.replace(" ", "")
        text = text.replace("^2", self.random.choice(("^2", "²")))
        star = self.random.choice(("*", "*", "×", " x "))
        text = text.replace(" * ", f" {star.strip()} ").replace("*", star if star != " x " else "*")
        return re.sub(r" +", " ", text)

    def problem(self) -> tuple[str, str]:
        """A problem that the tutor can lead through, and its family."""
        families: tuple[tuple[str, int, Callable[[], str]], ...] = (
            ("equation", 9, self.linear),
            ("equation", 2, self.quadratic),
            ("sum", 4, self.arithmetic),
            ("sum", 5, self.fraction),
            ("sum", 3, self.percentage),
            ("expression", 2, self.expression),
            ("value", 1, self.value),
        )
        while True:
            family, _, make = self.random.choices(families, [weight for _, weight, _ in families])[0]
            text = self.styled(make())
            try:
                solver.solve(text)
            except actions.TooHardError:
                continue
            return text, family

    def opening(self, text: str, family: str) -> str:
        special = {
            "sum": phrases.SUM_OPENINGS,
            "expression": phrases.EXPRESSION_OPENINGS,
            "value": phrases.VALUE_OPENINGS,
        }.get(family, ())
        if solver.solve(text).skill == "simplifying a fraction":
            special, family = phrases.SIMPLIFY_OPENINGS, "fraction"
        general = family in ("equation", "sum") and (not special or self.random.random() < 0.5)
        frame = self.pick(phrases.OPENINGS if general or not special else special)
        return self.voiced(frame).replace("{m}", text).replace("{n}", str(self.number(1, 9)))

    # --- attempts

    def right(self, solution: Any) -> str:
        letter = solution.said.partition(" = ")[0] if " = " in solution.said else ""
        answers = [self.plain(answer) for answer in solution.answers]
        if len(answers) > 1:
            named = f"{letter} = {answers[0]} or {letter} = {answers[1]}"
            short = f"{answers[0]}, {answers[1]}"
            return self.random.choice((named, named, f"{answers[0]} and {answers[1]}", short))
        answer = self.formed(answers[0])
        if letter and self.random.random() < 0.6:
            if answer[:1].isalpha():
                return answer
            return self.random.choice((f"{letter} = {answer}", f"{letter}={answer}", f"{letter} is {answer}"))
        return answer

    def formed(self, text: str) -> str:
        """A number in another form now and then: in words, as a decimal, in LaTeX."""
        match = re.fullmatch(r"([-\u2212]?)(\d+)(?:/(\d+))?", text)
        roll = self.random.random()
        if match is None or roll > 0.22:
            return text
        sign, top, bottom = match[1], int(match[2]), int(match[3] or 1)
        if roll < 0.1:
            return spoken(bool(sign), top, bottom) or text
        if roll < 0.16 and bottom in (2, 4, 5, 8, 10, 20):
            decimal = f"{sign}{top / bottom:g}"
            return decimal.replace(".", ",") if roll < 0.11 else decimal
        if roll > 0.19 and bottom > 1:
            return self.random.choice((rf"{sign}\frac{{{top}}}{{{bottom}}}", f"{sign}{top} / {bottom}"))
        return text

    def found_beside(self, attempt: str, article: str) -> str:
        """The article that retrieval would put beside an attempt: `x = 4` looks like the one on equations."""
        roll = self.random.random()
        if "=" in attempt:
            return "linear-equations" if roll < 0.35 else ""
        return article if roll < 0.05 else ""

    def plain(self, text: str) -> str:
        return text.replace("\N{MINUS SIGN}", "-") if self.random.random() < 0.9 else text

    def step(self, solution: Any) -> str | None:
        lines = [m[1] for step in solution.steps[:-1] if (m := re.match(r"That gives (.*)\.$", step.done))]
        return self.plain(self.random.choice(lines)) if lines else None

    def wrong(self, solution: Any) -> str:
        """A typical mistake where one is known, else a near miss."""
        letter = solution.said.partition(" = ")[0] if solution.skill == "linear equation" else ""
        known = list(self._mistaken(solution, letter))
        if known and self.random.random() < 0.7:
            value = writing.number(self.random.choice(known))
        elif "x" in solution.answers[0] or any(c.isalpha() for c in solution.answers[0]):
            value = (
                solution.answers[0].replace("+", "-", 1)
                if "+" in solution.answers[0]
                else "2" + solution.answers[0]
            )
        else:
            base = Fraction(solution.answers[0].replace("\N{MINUS SIGN}", "-"))
            value = writing.number(base + self.random.choice((-2, -1, 1, 2, 10)))
        text = f"{letter} = {value}" if letter and self.random.random() < 0.6 else value
        return self.styled(self.plain(text))

    def _mistaken(self, solution: Any, letter: str) -> list[Fraction]:
        problem = actions.parse_alternatives(solution.text.partition(" when ")[0])[0]
        if letter:
            root = Fraction(solution.answers[0].replace("\N{MINUS SIGN}", "-"))
            found = [value for _, value in mistakes._wrong_roots(problem, letter, root) if value != root]
        elif len(problem.sides) == 1 and not actions.statement_variables(problem):
            right = Fraction(solution.answers[0].replace("\N{MINUS SIGN}", "-"))
            found = [value for _, value in mistakes._wrong_results(problem.sides[0]) if value != right]
        else:
            found = []
        return [value for value in found if value.denominator < 100 and abs(value) < 2000]


_SMALL = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
]  # fmt: skip
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_PARTS = {2: "half", 3: "third", 4: "quarter", 5: "fifth", 8: "eighth", 10: "tenth"}


def spoken(negative: bool, top: int, bottom: int) -> str:
    """A small number in words, or an empty text."""
    if top > 99 or (bottom > 1 and (bottom not in _PARTS or top > 9)):
        return ""
    tens, ones = divmod(top, 10)
    words = _SMALL[top] if top < 20 else _TENS[tens - 2] + (f"-{_SMALL[ones]}" if ones else "")
    if bottom > 1:
        part = _PARTS[bottom]
        words = f"{words} {part if top == 1 else 'halves' if bottom == 2 else part + 's'}"
    return f"minus {words}" if negative else words


ARTICLES_BY_SKILL = {
    "linear equation": ("linear-equations", "inverse-operations", "equation", "brackets", "variable"),
    "quadratic equation": ("factorising", "powers", "equation"),
    "order of operations": ("order-of-operations", "powers"),
    "arithmetic": ("order-of-operations", "decimals", "negative-numbers"),
    "fractions": ("adding-fractions", "multiplying-fractions", "dividing-fractions", "fractions"),
    "simplifying a fraction": ("simplifying-fractions", "fractions"),
    "percentage": ("percentages",),
    "putting numbers in": ("variable", "expression"),
    "expanding brackets": ("brackets", "like-terms"),
    "collecting like terms": ("like-terms", "expression"),
}


def work(make: Maker, moves: int) -> Record:
    """A pupil works on one problem, or on one after the other."""
    talk = make.talk()
    intent = "new_problem"
    if make.random.random() < 0.1:
        talk.user(make.voiced(make.pick(phrases.GREETINGS)))
        talk.say(make.pick(phrases.GREETED))
        intent = "greeting"
    solution, near = set_problem(make, talk)
    if make.random.random() < 0.04:
        solution, near = set_problem(make, talk, phrases_of=voices.REOPENINGS)
    for _ in range(moves):
        if not talk.slots.get("open"):
            roll = make.random.random()
            if roll < 0.45:
                part(make, talk)
                break
            if roll < 0.65:
                solution = practise(make, talk) or solution
            else:
                solution, near = set_problem(make, talk)
        else:
            solution = move(make, talk, solution, near) or solution
    return talk.done(intent)


def set_problem(make: Maker, talk: Talk, phrases_of: tuple[str, ...] = ()) -> tuple[Any, str]:
    text, family = make.problem()
    solution = solver.solve(text)
    near = make.random.choice(ARTICLES_BY_SKILL[solution.skill]) if make.random.random() < 0.3 else ""
    said = make.opening(text, family)
    if phrases_of:
        said = make.voiced(make.pick(phrases_of)).replace("{m}", text)
    talk.user(said, near)
    result = talk.call(actions.OpenProblem(), "problem", text)
    if result["status"] != "opened":
        raise LookupError("not opened")
    talk.say(make.pick(phrases.OPENED))
    return solution, near


def practise(make: Maker, talk: Talk, topic: str | None = None) -> Any:
    """The pupil asks for an exercise; its solution, or None when there is none about that."""
    if topic is None:
        topic = make.random.choice(tuple(voices.TOPICS)) if make.random.random() < 0.6 else ""
    talk.slots["given"] = [one.text for one in actions.exercises.exercises() if make.random.random() < 0.6]
    frame = make.pick(voices.EXERCISE_ABOUT if topic else voices.EXERCISES)
    article = voices.TOPICS[topic] if topic and make.random.random() < 0.7 else ""
    talk.user(make.voiced(frame).replace("{t}", topic), article)
    result = talk.call(actions.GiveExercise(), "topic" if topic else "", topic)
    if result["status"] != "opened":
        talk.say(make.pick(phrases.NOT_OPENED))
        return None
    talk.say(make.pick(voices.GIVEN))
    return solver.solve(result["problem"]["text"])


def move(make: Maker, talk: Talk, solution: Any, article: str) -> Any:
    """One turn in the middle of a problem; the solution of another problem when the pupil changes to it."""
    kind = make.random.choices(
        (
            "right",
            "step",
            "wrong",
            "stuck",
            "answer",
            "idea",
            "frustrated",
            "off",
            "corrected",
            "other",
            "polite",
            "pause",
        ),
        (26, 14, 18, 14, 12, 7, 4, 14, 5, 2, 1, 4),
    )[0]
    if kind in ("right", "step", "wrong", "corrected"):
        attempt = make.step(solution) if kind == "step" else None
        attempt = attempt or (make.wrong(solution) if kind == "wrong" else make.right(solution))
        shown = make.found_beside(attempt, article)
        if kind == "corrected":
            attempted(make, talk, make.wrong(solution), shown)
            if not talk.slots.get("open"):
                return None
        attempted(make, talk, attempt, shown, voices.CORRECTED if kind == "corrected" else phrases.ATTEMPTS)
    elif kind in ("stuck", "answer", "frustrated"):
        beside = (
            make.random.choice(("linear-equations", "checking", article))
            if make.random.random() < 0.14
            else ""
        )
        helped(make, talk, kind, beside)
    elif kind == "idea":
        name = make.random.choice(ARTICLES_BY_SKILL[solution.skill])
        talk.user(question(make, name), name)
        talk.say(make.pick(phrases.EXPLAINED_ON_THE_WAY))
    elif kind == "other":
        return set_problem(make, talk)[0] if make.random.random() < 0.6 else practise(make, talk)
    elif kind == "polite":
        talk.user(make.voiced(make.pick(phrases.THANKS)))
        talk.say(make.pick(phrases.THANKED_ON_THE_WAY))
    elif kind == "pause":
        talk.user(make.voiced(make.pick(asides.PAUSES)))
        talk.say(make.pick(asides.PAUSED))
    else:
        beside = make.random.choice(tuple(phrases.QUESTIONS)) if make.random.random() < 0.05 else ""
        talk.user(make.voiced(make.pick(phrases.OFF_TOPIC)), beside)
        talk.say(make.pick(phrases.ONLY_MATHS))
    return None


def attempted(
    make: Maker, talk: Talk, attempt: str, article: str, frames: tuple[str, ...] = phrases.ATTEMPTS
) -> None:
    talk.user(make.voiced(make.pick(frames)).replace("{m}", attempt), article)
    result = talk.call(actions.CheckAnswer(), "attempt", attempt)
    talk.say(make.pick(phrases.CHECKED[result["verdict"]]))


def helped(make: Maker, talk: Talk, kind: str, article: str = "") -> None:
    words, replies = {
        "stuck": (phrases.STUCK, phrases.HINTED),
        "answer": (phrases.ASK_ANSWER, phrases.REFUSED),
        "frustrated": (phrases.FRUSTRATED, phrases.ENCOURAGED_ON_THE_WAY),
    }[kind]
    talk.user(make.voiced(make.pick(words)), article)
    talk.call(actions.NextHint())
    if talk.slots.get("may_tell"):
        replies = phrases.TOLD
    talk.say(make.pick(replies))


def part(make: Maker, talk: Talk) -> None:
    thanks = make.random.random() < 0.75
    talk.user(make.voiced(make.pick(phrases.THANKS if thanks else phrases.GOODBYES)))
    talk.say(make.pick(phrases.THANKED if thanks else phrases.BIDDEN))


def exercise(make: Maker) -> Record:
    """A talk that begins with the wish for an exercise."""
    talk = make.talk()
    solution = practise(make, talk)
    if solution is None:
        if make.random.random() < 0.5:
            practise(make, talk, make.random.choice(("fractions", "equations", "percentages", "")))
    elif make.random.random() < 0.6:
        move(make, talk, solution, "")
    return talk.done("exercise")


def question(make: Maker, name: str) -> str:
    frame = make.pick(phrases.ASKING)
    asked, named = make.random.choice(phrases.QUESTIONS[name]), make.random.choice(phrases.NAMES[name])
    return make.voiced(frame).replace("{q}", asked).replace("{n}", named)


def idea(make: Maker, name: str) -> Record:
    talk = make.talk()
    talk.user(question(make, name), name)
    talk.say(make.pick(phrases.EXPLAINED))
    if make.random.random() < 0.3:
        other = make.random.choice(tuple(phrases.QUESTIONS))
        talk.user(question(make, other), other)
        talk.say(make.pick(phrases.EXPLAINED))
    elif make.random.random() < 0.4:
        talk.user(make.pick(phrases.THANKS))
        talk.say(make.pick(phrases.THANKED))
    return talk.done("idea")


PLAIN = (
    ("greeting", "GREETINGS", "GREETED"),
    ("thanks", "THANKS", "THANKED"),
    ("goodbye", "GOODBYES", "BIDDEN"),
    ("about", "ABOUT", "TOLD_ABOUT"),
    ("frustration", "FRUSTRATED", "ENCOURAGED"),
)


def manners(make: Maker) -> list[Record]:
    """Greetings and the like, each phrase of a pupil twice, some with an off-topic turn after."""
    records = []
    for intent, said, replies in PLAIN:
        for phrase in getattr(phrases, said) * 2:
            talk = make.talk()
            talk.user(make.voiced(phrase))
            talk.say(make.pick(getattr(phrases, replies)))
            if make.random.random() < 0.35:
                talk.user(make.voiced(make.pick(phrases.OFF_TOPIC)))
                talk.say(make.pick(phrases.ONLY_MATHS_AT_REST))
            records.append(talk.done(intent))
    return records


def without_problem(make: Maker) -> list[Record]:
    """Attempts, cries for help and unreadable problems while nothing is open."""
    records = []
    for phrase in phrases.STUCK + phrases.ASK_ANSWER:
        talk = make.talk()
        talk.user(make.voiced(phrase))
        talk.call(actions.NextHint())
        talk.say(make.pick(phrases.HINTED if phrase in phrases.STUCK else phrases.REFUSED))
        records.append(talk.done("stuck" if phrase in phrases.STUCK else "ask_answer"))
    for phrase in phrases.ATTEMPTS * 2:
        talk = make.talk()
        text, _ = make.problem()
        solution = solver.solve(text)
        attempt = make.random.choice(
            (
                make.right(solution),
                make.wrong(solution),
                f"{make.number(2, 9)} + {make.number(2, 9)} = {make.number(4, 18)}",
            )
        )
        talk.user(make.voiced(phrase).replace("{m}", attempt))
        try:
            result = talk.call(actions.CheckAnswer(), "attempt", attempt)
        except LookupError:
            continue
        talk.say(make.pick(phrases.CHECKED[result["verdict"]]))
        records.append(talk.done("attempt"))
    for text in (
        "x^2 + x + 1 = 0",
        "2x = 2x + 3",
        "x + y = 4",
        "3x + = 2",
        "6/2(1+2)",
        "x = 4",
        "sqrt(2)",
        "x^3 = 8",
    ):
        for frame in ("solve {m}", "{m}", "help me with {m}"):
            talk = make.talk()
            talk.user(frame.replace("{m}", text))
            try:
                result = talk.call(actions.OpenProblem(), "problem")
            except LookupError:
                continue
            if result["status"] != "opened":
                talk.say(make.pick(phrases.NOT_OPENED))
                records.append(talk.done("new_problem"))
    return records


def collected(make_one: Callable[[], Record], count: int, seen: set[str]) -> list[Record]:
    """`count` conversations that differ from all before."""
    records: list[Record] = []
    while len(records) < count:
        try:
            record = make_one()
        except LookupError:
            continue
        if key(record) not in seen and sum(len(str(m)) for m in record["messages"]) <= MOST_CHARACTERS:
            seen.add(key(record))
            records.append(record)
    return records


def key(record: Record) -> str:
    """What makes two conversations the same: the pupil's words, apart from case, spaces and punctuation."""
    said = "\n".join(m["content"] for m in record["messages"] if m["role"] == "user").lower()
    return re.sub(r"[ ?!.,:;'’]+|(?<=[ :;])[()]", "", said)


def distinct(records: list[Record], seen: set[str]) -> list[Record]:
    return [r for r in records if key(r) not in seen and not seen.add(key(r))]  # type: ignore[func-returns-value]


def make_all(seed: int = SEED) -> dict[str, list[Record]]:
    """File name → its conversations."""
    make, seen = Maker(seed), set[str]()
    moves = lambda: make.random.choices((0, 1, 2, 3, 4, 6), (16, 30, 27, 17, 7, 3))[0]  # noqa: E731
    names = tuple(phrases.QUESTIONS)
    ideas = [lambda name=name: idea(make, name) for name in names]
    return {
        "work.jsonl": collected(lambda: work(make, moves()), 1720, seen),
        "exercises.jsonl": collected(lambda: exercise(make), 180, seen),
        "ideas.jsonl": [r for one in ideas for r in collected(one, 17, seen)],
        "manners.jsonl": distinct(manners(make), seen),
        "loose.jsonl": distinct(without_problem(make), seen),
    }


def rendered(records: list[Record]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, default=PACK / "data")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for name, records in make_all().items():
        (out / name).write_text(rendered(records), encoding="utf-8")


if __name__ == "__main__":
    main()
