"""Random values as they stand in records and in people's messages: names, ids, dates, amounts, new words."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

FIRST = [
    "Ada",
    "Ben",
    "Carla",
    "Dario",
    "Elif",
    "Femi",
    "Greta",
    "Hugo",
    "Ines",
    "Jonas",
    "Kaya",
    "Leon",
    "Mina",
    "Noor",
    "Oskar",
    "Paula",
    "Quinn",
    "Rosa",
    "Sami",
    "Tara",
    "Umar",
    "Vera",
    "Wim",
    "Xenia",
    "Yara",
    "Zoe",
    "Aisha",
    "Bruno",
    "Chloe",
    "Dmitri",
    "Emil",
    "Fatou",
    "Gustav",
    "Hana",
    "Ivo",
    "Juno",
    "Kofi",
    "Lucia",
    "Marek",
    "Nadia",
]
LAST = [
    "Abbott",
    "Berger",
    "Castillo",
    "Dahl",
    "Eriksen",
    "Fontaine",
    "Garcia",
    "Hoffman",
    "Ito",
    "Jansen",
    "Kowalski",
    "Lindqvist",
    "Moreau",
    "Novak",
    "Okafor",
    "Petrov",
    "Quist",
    "Rossi",
    "Sato",
    "Tanner",
    "Ueda",
    "Vogel",
    "Weber",
    "Yilmaz",
    "Zeman",
    "Ahmed",
    "Bianchi",
    "Cohen",
    "Duarte",
    "Fischer",
]
PLACES = [
    "Ashford",
    "Birkdale",
    "Cresthill",
    "Dunmore",
    "Eastgate",
    "Fairview",
    "Glenside",
    "Harbour",
    "Inverbrook",
    "Juniper",
    "Kingsmead",
    "Larkfield",
    "Millbank",
    "Northend",
    "Oakley",
    "Parkside",
    "Quayside",
    "Riverton",
    "Southgate",
    "Thornbury",
    "Upton",
    "Valley",
    "Westbrook",
    "Yarrow",
]
STREETS = ("Street", "Road", "Lane", "Square", "branch", "office", "centre", "depot", "wing", "hall")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
CURRENCY = ("€{}", "£{}", "${}", "{} EUR", "CHF {}", "{} euros")
COLOURS = [
    "red",
    "blue",
    "green",
    "yellow",
    "black",
    "white",
    "grey",
    "orange",
    "purple",
    "brown",
    "silver",
    "golden",
    "dark",
    "light",
]
SIZES = [
    "small",
    "large",
    "mini",
    "giant",
    "spare",
    "old",
    "new",
    "second-hand",
    "folding",
    "classic",
    "deluxe",
    "simple",
    "double",
    "single",
]
STARTS = [
    "b",
    "br",
    "c",
    "cl",
    "d",
    "dr",
    "f",
    "fl",
    "g",
    "gl",
    "h",
    "j",
    "k",
    "kr",
    "l",
    "m",
    "n",
    "p",
    "pl",
    "qu",
    "r",
    "s",
    "sk",
    "st",
    "t",
    "tr",
    "v",
    "w",
    "y",
    "z",
    "sh",
    "ch",
    "th",
]
MIDDLES = [
    "a",
    "e",
    "i",
    "o",
    "u",
    "ai",
    "ea",
    "oo",
    "ar",
    "er",
    "or",
    "an",
    "en",
    "in",
    "on",
    "ol",
    "al",
    "im",
]
ENDS = ["", "n", "r", "l", "s", "t", "m", "k", "x", "nd", "ff", "sh", "p", "by", "ton", "o", "a"]


def invented(rng: Random, syllables: int = 0) -> str:
    """A word that does not exist."""
    count = syllables or rng.choice((1, 2, 2, 3))
    body = "".join(rng.choice(STARTS) + rng.choice(MIDDLES) for _ in range(count))
    return body + rng.choice(ENDS)


def id_pattern(rng: Random, noun: str) -> str:
    """How the ids of one kind of record look: `#` is a digit, `@` a letter, the rest stands for itself."""
    head = rng.choice((noun[:1], noun[:2], noun[:3], noun[0] + rng.choice("KLMNPRSTXZ"))).upper()
    if head == "A":
        head = "AX"
    shapes = (
        "{h}-####", "#######", "{h}_##@", "{h}####", "{h}###", "##-###", "{h}-##-@@", "####/##", "@##@##",
        "#####", "{h}-#####", "{h}#-###", "####-@", "{h}/##/###", "######", "{h}.###.#", "@@@-###", "{h} ####",
        "########", "{h}-@##", "##@###", "{h}:####", "###.###",
    )  # fmt: skip
    return rng.choice(shapes).replace("{h}", head)


def fill_pattern(rng: Random, pattern: str) -> str:
    out = []
    for letter in pattern:
        if letter == "#":
            letter = rng.choice("0123456789")
        elif letter == "@":
            letter = rng.choice("BCDEFGHJKLMNPQRSTUVWXYZ")
        out.append(letter)
    return "".join(out)


def written(rng: Random, id: str) -> str:
    """An id as somebody types it."""
    way = rng.random()
    if way < 0.68:
        return id
    if way < 0.86:
        return id.lower()
    if way < 0.92:
        return id.replace("-", "").replace(" ", "")
    if way < 0.96:
        return id.replace("-", " ").replace("_", "-")
    return f"#{id}"


def person(rng: Random) -> str:
    return f"{rng.choice(FIRST)} {rng.choice(LAST)}"


def place(rng: Random) -> str:
    name = rng.choice(PLACES) if rng.random() < 0.8 else invented(rng).capitalize()
    return f"{name} {rng.choice(STREETS)}" if rng.random() < 0.6 else name


def email(rng: Random) -> str:
    first, last = rng.choice(FIRST).lower(), rng.choice(LAST).lower()
    host = rng.choice(("mail", "post", invented(rng), "inbox", "home"))
    tail = rng.choice(("example", "test", "net.example", "org.example"))
    user = rng.choice(
        (f"{first}.{last}", f"{first}{rng.randrange(10, 99)}", f"{first[0]}{last}", f"{last}_{first}")
    )
    return f"{user}@{host}.{tail}"


def money(rng: Random) -> str:
    whole = rng.choice((rng.randrange(1, 20), rng.randrange(10, 200), rng.randrange(100, 3000)))
    cents = rng.choice(("", ".00", ".50", ".90", f".{rng.randrange(10, 99)}"))
    return rng.choice(CURRENCY[:5] if cents else CURRENCY).format(f"{whole}{cents}")


def date(rng: Random) -> str:
    day, month, weekday = rng.randrange(1, 29), rng.choice(MONTHS), rng.choice(DAYS)
    shapes = (f"{weekday}, {day} {month}", f"{day} {month}", f"{month} {day}", f"{weekday} {day} {month}")
    iso = f"20{rng.randrange(24, 30)}-{rng.randrange(1, 13):02}-{day:02}"
    return rng.choice((*shapes, iso, f"{day:02}/{rng.randrange(1, 13):02}"))


def spoken_day(rng: Random) -> str:
    """A day as it is asked for."""
    day, month, weekday = rng.randrange(1, 29), rng.choice(MONTHS), rng.choice(DAYS)
    shapes = (
        weekday,
        weekday.lower(),
        f"next {weekday}",
        f"{day} {month}",
        f"{month} {day}",
        f"{weekday} the {day}th",
    )
    return rng.choice(
        (*shapes, "tomorrow", "today", f"{day}.{rng.randrange(1, 13)}.", f"{day} {month[:3].lower()}")
    )


def clock(rng: Random) -> str:
    hour, minute = rng.randrange(7, 21), rng.choice((0, 0, 15, 30, 45, rng.randrange(60)))
    shapes = (f"{hour}:{minute:02}", f"{hour:02}:{minute:02}", f"{hour}.{minute:02}", f"{hour}h{minute:02}")
    return rng.choice((*shapes, f"{(hour - 1) % 12 + 1} {'am' if hour < 12 else 'pm'}"))


def period(rng: Random) -> str:
    number, unit = (
        rng.randrange(2, 61),
        rng.choice(("days", "weeks", "hours", "months", "minutes", "working days")),
    )
    if rng.random() < 0.25:
        return f"{number} to {number + rng.randrange(1, 10)} {unit}"
    return f"{number} {unit}"


def phone(rng: Random) -> str:
    return f"0{rng.randrange(10, 999)} {rng.randrange(100, 9999)} {rng.randrange(10, 999)}"


def percent(rng: Random) -> str:
    return f"{rng.randrange(2, 96)}{rng.choice((' %', '%', ' percent'))}"


def count(rng: Random) -> int:
    return rng.randrange(1, 40)


def thing(rng: Random, goods: tuple[str, ...]) -> str:
    """One of the goods, often qualified, at times with a name nobody has seen."""
    name = rng.choice(goods)
    way = rng.random()
    if way < 0.4:
        return name
    if way < 0.6:
        return f"{rng.choice(COLOURS)} {name}"
    if way < 0.75:
        return f"{rng.choice(SIZES)} {name}"
    return f"{invented(rng).capitalize()} {name}"


def code(rng: Random) -> str:
    return fill_pattern(rng, rng.choice(("@@##", "####", "@-###", "##@##")))


MAKERS: dict[str, Callable[[Random], str | int]] = {
    "date": date, "money": money, "place": place, "person": person, "time": clock, "period": period,
    "phone": phone, "percent": percent, "count": count, "email": email,
    "code": code,
}  # fmt: skip


def value(rng: Random, kind: str, goods: tuple[str, ...]) -> str | int:
    """A value of a kind; `a|b|c` names the choices themselves."""
    if "|" in kind:
        return rng.choice(kind.split("|")).strip()
    if kind == "goods":
        return thing(rng, goods)
    return MAKERS[kind](rng)
