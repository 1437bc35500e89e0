# ruff: noqa: E501 -- one pattern a line reads best
"""Whether a reply's mathematics is true: a second implementation, for judging what the checks let through."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from senmon.evaluation.oracle.claims import Claim, Side, Task, claims, expressions, same, task
from senmon.evaluation.oracle.rules import turned_round
from senmon.evaluation.oracle.sums import NoSum, normal

_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_DENIED = re.compile(
    r"(?i)\b(?:not|isn'?t|wasn'?t|doesn'?t|don'?t|aren'?t|can'?t|cannot|never|wrong|incorrect|false|mistake|error|slip"
    r"|instead of|rather than|careful|unfortunately|no longer)\b|❌|✗"
)
_QUOTED = re.compile(
    r"(?i)\byou(?:'ve| have)? (?:wrote|written|said|say|got|put|gave|think|thought|claim(?:ed)?|answered|typed"
    r"|suggested|found|calculated)\b|\byour (?:line|step|answer|attempt|equation|working|result|guess|friend)\b"
    r"|\b(?:some|many|people|pupils?|students?|a common (?:mistake|error|slip))\b[^.]{0,40}\b(?:write|say|think|put|get)"
)
_AFFIRMED = re.compile(
    r"(?i)\b(?:right|correct|yes|exactly|perfect|well done|true|great|good|spot on|agreed?)\b|✓|✅"
)
_ASSUMED = re.compile(
    r"(?i)\b(?:if|suppose|imagine|let(?:'s say)?|say|when|were|try|trying|put(?:ting)? in|substitut\w+|check(?:ing)? with"
    r"|test(?:ing)?|assume|what happens)\b[^.;,]{0,30}$"
)
_EXAMPLE = re.compile(
    r"(?i)\b(?:for example|for instance|e\.g\.|example|similar|another (?:one|problem)|like in|such as)\b"
)
_BACK = re.compile(r"(?i)\b(?:your (?:problem|equation|sum|question|own)|this equation|back to|now)\b")
_LEFT = re.compile(
    r"(?i)^\s*(?:r\b|rem\b|remainder|with \d+ left|left over|and \d+ (?:left|over)|tens?\b|hundreds?\b|dozen)"
)
_FACTORS = frozenset(map(Fraction, (4, 7, 10, 12, 24, 30, 52, 60, 100, 365, 1000, 3600)))
_FOLLOWS = re.compile(
    r"(?i)\b(?:so|then|gives?|means|therefore|hence|get|leaves?|becomes?|thus|leads? to|now)\b|[→⇒]|=>|,\s*$|;\s*$|\n\s*$"
)
_SAME_AS = re.compile(
    r"(?i)\b(?:expand\w*|multiply\w* out|simplif\w+|collect\w*|factor\w*|rewrit\w+|the same as|bracket\w*|identity|always|like terms)\b"
)
_ROUNDED = re.compile(
    r"(?i)\b(?:about|around|roughly|approximately|nearly|almost|rounded|to \d (?:d\.?p|decimal|s\.?f)|remainder)\b|~"
)
_ANSWER = re.compile(
    r"(?i)\b(?<!your )(?:the )?(?:final |right |correct |whole )?(?:answer|solution|result|root)s?(?: here| to this| of the equation)?"
    r"(?: is| are|:| must be| would be| has to be| should be|=)\s*(?:[a-z]\s*=\s*)?(?=-?[\d(])"
)
_UNITS = re.compile(
    r"(?i)^\s?(?:cm|mm|m|km|kg|g|mg|l|ml|hours?|h|minutes?|min|seconds?|s|days?|weeks?|months?|years?|cents?|pence|p|°)\b"
)


def false_maths(reply: str, problem: str = "", pupil: Sequence[str] = ()) -> tuple[str, ...]:
    """Claims of the reply that are not true, as they stand there. `pupil`: the pupil's own messages, whose
    errors may be repeated to be talked about."""
    open_task = task(problem) if problem.strip() else None
    said = {claim.text for text in pupil for claim in claims(normal(text))}
    found: list[str] = []
    text = normal(reply)
    before: list[Claim] = []
    given: dict[str, Fraction] = {}
    for claim in claims(text):
        sentence = _sentence(text, claim.start, claim.end)
        if _ASSUMED.search(text[sentence[0] : claim.start]) and (value := _assigned(claim)):
            given |= value
        if claim.letters and claim.letters <= given.keys() and _holds_at(claim, given):
            continue
        if not _exempt(claim, sentence, text, said) and _is_false(claim, open_task, before, sentence, text):
            found.append(text[claim.start : claim.end].strip())
        before.append(claim)
    found += _wrong_answers(text, open_task)
    found += _wrong_words(text)
    found += turned_round(text)
    return tuple(dict.fromkeys(found))


def _assigned(claim: Claim) -> dict[str, Fraction]:
    """`x = 5` as a value to put in."""
    left, right = claim.sides[0], claim.sides[-1]
    if len(claim.sides) == 2 and left.lone and len(left.letters) == 1 and not right.letters:
        return {left.text: right.value({})}
    return {}


def _sentence(text: str, start: int, end: int) -> tuple[int, int]:
    """The sentence around a place."""
    cuts = [0, *(match.end() for match in _SENTENCE.finditer(text)), len(text)]
    for first, last in pairwise(cuts):
        if first <= start < last:
            return first, max(last, end)
    return 0, len(text)


def _exempt(claim: Claim, sentence: tuple[int, int], text: str, said: set[str]) -> bool:
    """Asked, denied, or somebody else's words that are not called right."""
    whole = text[sentence[0] : sentence[1]]
    after = text[claim.end : sentence[1]]
    if "!=" in claim.relations or re.match(r"[^.!,;\n]*\?", after):
        return True
    before = text[sentence[0] : claim.start]
    denied = _DENIED.search(before) or _DENIED.search(after)
    if denied and not re.search(
        r"(?i)\b(?:but|so|instead,|it is|it's)\b", before[denied.start() :] if denied.string is before else ""
    ):
        return True
    quoted = _QUOTED.search(before) or claim.text in said or _in_quotes(text, claim)
    if not quoted:
        return False
    rest = text[sentence[1] : sentence[1] + 60]
    affirmed = _AFFIRMED.search(whole) or _AFFIRMED.match(rest.strip())
    return not (affirmed and not _DENIED.search(whole + rest))


def _in_quotes(text: str, claim: Claim) -> bool:
    before, after = text[: claim.start].rstrip(), text[claim.end :].lstrip()
    return before.endswith(("“", '"', "'", "‘", "`", "«")) and after.startswith(
        ("”", '"', "'", "’", "`", "»")
    )


def _is_false(
    claim: Claim, task: Task | None, before: list[Claim], sentence: tuple[int, int], text: str
) -> bool:
    words = text[sentence[0] : sentence[1]]
    if not claim.letters:
        return _false_numbers(claim, words, text)
    lead = text[sentence[0] : claim.start]
    if _ASSUMED.search(lead):
        return False
    if all(same(a, b) for a, b in pairwise(claim.sides)):
        return False
    if task is not None and not _in_example(claim, task, text):
        return _against_task(claim, task)
    return _against_chain(claim, before, words, lead, text)


def _in_example(claim: Claim, task: Task, text: str) -> bool:
    """Whether an example is talked about, and not the problem again."""
    marks = list(_EXAMPLE.finditer(text[: claim.start]))
    if not marks:
        return False
    own = claim.letters == {task.letter} or (task.side is not None and claim.letters <= task.side.letters)
    return not (own and _BACK.search(text[marks[-1].end() : claim.start]))


def _false_numbers(claim: Claim, words: str, text: str) -> bool:
    if _LEFT.match(text[claim.end :]) or re.search(r"(?i)\bremainder\b", words):
        return False
    unit = bool(_UNITS.match(text[claim.end :]))
    for left, relation, right in zip(claim.sides, claim.relations, claim.sides[1:], strict=False):
        if relation == "is" and left.lone and right.lone:
            continue
        a, b = left.value({}), right.value({})
        near = abs(a - b) <= max(Fraction(1, 2 * 10**right.places), abs(a) / 50)
        loose = relation == "~" or bool(_ROUNDED.search(words))
        holds = {
            "=": a == b, "is": a == b or a == 100 * b or 100 * a == b, "~": near, "<": a < b, ">": a > b,
            "<=": a <= b, ">=": a >= b, "!=": a != b,
        }[relation]  # fmt: skip
        shares = right.text.endswith("%") != left.text.endswith("%") and a in (100 * b, b / 100)
        converted = unit and a and b and (a / b in _FACTORS or b / a in _FACTORS)
        if not holds and not (loose and near) and not shares and not converted:
            return True
    return False


def _against_task(claim: Claim, task: Task) -> bool:
    """Whether the claim does not hold for what is asked for."""
    letters = claim.letters
    if task.letter is not None and letters == {task.letter} and task.roots:
        mine = claim.roots()
        if mine is not None:
            return not mine <= task.roots
        return not any(_holds_at(claim, {task.letter: root}) for root in task.roots)
    if task.side is None:
        return False
    if letters <= task.given.keys():
        return not _holds_at(claim, task.given)
    if letters <= task.side.letters | task.given.keys():
        lone = any(side.lone and side.letters for side in claim.sides)
        return not lone and all(side.letters for side in claim.sides)
    return False


def _against_chain(claim: Claim, before: list[Claim], words: str, lead: str, text: str) -> bool:
    """Without a problem: an identity where one is meant, else the same roots as the line before it."""
    if _SAME_AS.search(words) and all(side.letters for side in claim.sides):
        return not any(_shares(claim, other) for other in before)
    other = next((one for one in reversed(before) if one.letters == claim.letters), None)
    if other is None:
        return False
    between = text[other.end : claim.start]
    if (
        len(between) > 160
        or not (_FOLLOWS.search(between) or _FOLLOWS.search(lead))
        or _EXAMPLE.search(between)
    ):
        return False
    return not _shares(claim, other)


def _shares(one: Claim, other: Claim) -> bool:
    mine, its = one.roots(), other.roots()
    return mine is None or its is None or bool(mine & its)


def _holds_at(claim: Claim, letters: dict[str, Fraction]) -> bool:
    try:
        values = [side.value(letters) for side in claim.sides]
    except (NoSum, KeyError):
        return True
    pairs = zip(values, claim.relations, values[1:], strict=False)
    return all(
        {"=": a == b, "is": a == b, "~": abs(a - b) <= max(Fraction(1, 20), abs(a) / 50), "<": a < b, ">": a > b,
         "<=": a <= b, ">=": a >= b, "!=": a != b}[relation]
        for a, relation, b in pairs
    )  # fmt: skip


def _wrong_answers(text: str, task: Task | None) -> list[str]:
    """`the answer is 5` where it is not."""
    if task is None:
        return []
    good = task.roots if task.roots is not None else {task.value} if task.value is not None else None
    if not good:
        return []
    found = []
    for match in _ANSWER.finditer(text):
        first, last = _sentence(text, match.start(), match.end())
        whole = text[first:last]
        if _DENIED.search(whole) or whole.rstrip().endswith("?") or _EXAMPLE.search(text[: match.start()]):
            continue
        stated = next(
            (side for side, start, _ in expressions(text[match.end() : match.end() + 40]) if start <= 1), None
        )
        if (
            stated is not None
            and not stated.letters
            and stated.value({}) not in good | {v / 100 for v in good if v}
        ):
            found.append(text[match.start() : match.end() + 8].strip())
    return found


_MULTIPLE = re.compile(
    r"(?i)\b(?:lcm|l\.c\.m\.|(?:least|lowest|smallest) common (?:multiple|denominator)|common denominator)\b(?: of| for)?"
    r"(?: thirds| the numbers)? (\d+) and (\d+)(?: is| =|:) (\d+)"
)
_FACTOR = re.compile(
    r"(?i)\b(?:hcf|gcd|gcf|(?:highest|greatest|largest) common (?:factor|divisor))\b(?: of| for)? (\d+) and (\d+)(?: is| =|:) (\d+)"
)
_DIVIDES = re.compile(r"(?i)\b(\d+) (?:goes into|fits into|divides) (\d+)(?: exactly)? (\d+) times")
_KIND = re.compile(r"(?i)\b(\d+) is (?:an? )?(even|odd|prime|square)(?: number)?\b")
_OF = re.compile(r"(?i)\b(\d+) is (?:a )?(multiple of|factor of|divisible by) (\d+)")


def _wrong_words(text: str) -> list[str]:
    """Facts about whole numbers, in words."""
    wrong = []
    for match in _MULTIPLE.finditer(text):
        a, b, c = (int(match[i]) for i in (1, 2, 3))
        least = re.search(r"(?i)lcm|least|lowest|smallest", match[0])
        if a and b and (c != math.lcm(a, b) if least else not c or c % a or c % b):
            wrong.append(match)
    wrong += [m for m in _FACTOR.finditer(text) if math.gcd(int(m[1]), int(m[2])) != int(m[3])]
    wrong += [m for m in _DIVIDES.finditer(text) if int(m[1]) * int(m[3]) != int(m[2])]
    wrong += [m for m in _KIND.finditer(text) if not _is_kind(int(m[1]), m[2].lower())]
    for match in _OF.finditer(text):
        a, b = int(match[1]), int(match[3])
        top, bottom = (b, a) if match[2].lower() == "factor of" else (a, b)
        if not bottom or top % bottom:
            wrong.append(match)
    return [m[0] for m in wrong if not _DENIED.search(text[slice(*_sentence(text, m.start(), m.end()))])]


def _is_kind(value: int, kind: str) -> bool:
    if kind == "prime":
        return value > 1 and all(value % d for d in range(2, min(math.isqrt(value), 10**5) + 1))
    if kind == "square":
        return math.isqrt(value) ** 2 == value
    return value % 2 == (kind == "odd")


def side_value(side: Side) -> Fraction | None:
    try:
        return None if side.letters else side.value({})
    except NoSum:
        return None
