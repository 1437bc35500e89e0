"""Messages that only make sense as part of the conversation they are in: they never move it elsewhere.

Judged by words alone, in English: a message continues when nothing in it names a subject. Other languages are
left to the router's scores.
"""

from __future__ import annotations

import re

MAX_CHARACTERS = 200
MAX_WORDS = 10
MAX_CORRECTION_WORDS = 8
ASKING_WORDS = 3
A_VALUE = "a value"
#: `no, the blue one` corrects; more words that name something may start a subject.
MAX_CORRECTION_SUBJECTS = 2

_LITTLE = """
a an the and or but so of to in on at by for from with without as than then if it its it's this that
these those one ones other others another same both either neither none all any some each first second
third last next i i'm i've i'd i'll im me my mine you you're your yours we us our he she they them their
there here is are was were be been am isn't isnt aren't wasn't do does did don't dont doesn't didn't done
doing have has had can can't cant could couldn't will won't would wouldn't should shall may might must
let lets let's not no nope nah yes yeah yep yup sure ok okay k fine right correct exactly true false
wrong perhaps maybe please thanks thank thx ty cheers hello hi hey hiya bye goodbye morning afternoon
evening night good great nice cool awesome perfect wow oh ah hm hmm um uh well alright lovely welcome
sorry pardon oops what why how who when where which what's whats how's that's thats huh eh really very
too also just only even still again more less most much many few little bit lot else instead already now
later soon before after once think know mean meant say said tell told understand understood get got give
see make sense explain help hint hints show try tried go going continue stop wait hold moment minute
time second sec back repeat rephrase answer question step idea clue stuck lost confused sure unsure guess
ready finished about up down out off over like want need way thing things something anything nothing
everything part bit kind because since ago far long actually anyway though quite probably course indeed
am pm today tomorrow yesterday one two three four five six seven eight nine ten eleven twelve zero half
plus minus times equals squared
"""
_LITTLE_WORDS = frozenset(_LITTLE.split())
_CORRECTION = re.compile(
    r"^(no|nope|not that|not this|sorry|oops|i meant|i mean|i said|wait|wrong|that's wrong|that's not|"
    r"thats not|actually (it's|its|i meant|no)|the other|make that)\b[ ,.:;!-]*",
    re.IGNORECASE,
)
_BACK = re.compile(
    r"^(it|its|it's|that|that's|this|these|those|they|he|she|him|her|them|mine|both|and|but|because|so|or|then|also|"
    r"yes|no|ok|okay|well|i mean|i meant|i already|i just|i did|i tried)\b",
    re.IGNORECASE,
)
_ANSWERS_NOTHING = re.compile(r"^[\W_]*$")
_VALUE = re.compile(
    r"^(?:[#$€£]?[\w.+-]*\d[\w.+%/:-]*|[a-z]|[^\s@]+@[^\s@]+\.[a-z]{2,}|[\W_]+)$", re.IGNORECASE
)
#: A sign of arithmetic between two operands, brackets aside.
_OPERATION = re.compile(r"(?<=[\w)])\s*([-+*/^×÷·])\s*(?=[\w(])")
_PRODUCT = re.compile(r"\d[a-z]\b", re.IGNORECASE)
#: Splits `3x+5=20` and keeps `don't` and `SO-1042` whole.
_TOKEN = re.compile(r"[^\s,;!?()\[\]{}=+*/^<>|\"“”]+")


def continuation(text: str) -> str | None:
    """Why `text` continues whatever conversation it is in; None when it may start something else."""
    text = text.strip()
    if _ANSWERS_NOTHING.match(text):
        return "no words"
    if len(text) > MAX_CHARACTERS:
        return None
    words = [_word(token) for token in _TOKEN.findall(text.replace("’", "'"))]
    words = [word for word in words if word]
    values = [word for word in words if word not in _LITTLE_WORDS and _VALUE.match(word)]
    little = [word for word in words if word in _LITTLE_WORDS]
    if len(values) + len(little) == len(words) and len(little) <= MAX_WORDS:
        return A_VALUE if values else "a short follow-up"
    if (
        len(words) <= MAX_CORRECTION_WORDS
        and _CORRECTION.match(text)
        and len(words) - len(little) <= MAX_CORRECTION_SUBJECTS
    ):
        return "a correction"
    return None


def asks(text: str) -> bool:
    """Whether a message of values and little words may still ask for something new: `help me with 4/7 - 2/3`
    may, `x = 4` and `sorry, I meant 55124` may not."""
    words = [_word(token) for token in _TOKEN.findall(text.replace("’", "'"))]
    little = sum(word in _LITTLE_WORDS and not word.isdigit() for word in words if len(word) > 1)
    return little >= ASKING_WORDS and not _CORRECTION.match(text.strip()) and not refers_back(text)


def calculates(text: str) -> bool:
    """Whether `text` states an equation or a sum: `5x - 3 = 12` and `8*(6+9)-9` do; `x = 4`, `3/4`,
    a date, an order's number do not, they answer something."""
    signs = _OPERATION.findall(text)
    if "=" in text:
        return bool(signs) or bool(_PRODUCT.search(text))
    return len(signs) >= 2 and any(sign not in "-/" for sign in signs)


def refers_back(text: str) -> bool:
    """Whether `text` opens with a word that points at what was said: `it is for my sister, she moved`."""
    return bool(_BACK.match(text.strip()))


def _word(token: str) -> str:
    return token.lower().strip(".:'-_…")
