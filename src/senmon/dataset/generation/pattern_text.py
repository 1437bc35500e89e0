"""A small, bounded part of regular expressions, read backwards: pattern → a text that fits it.

Characters, `.` excluded; classes `[A-Z0-9]`; `\\d`, `\\w`; groups `(a|b)`; `?`, `{3}`, `{2,4}`.
"""

from __future__ import annotations

import string
from random import Random

MOST = 200
MOST_STEPS = 2000
_CLASSES = {"d": string.digits, "w": string.ascii_letters + string.digits + "_"}


def text_of(pattern: str, random: Random) -> str:
    """Raises ValueError, saying what can't be read."""
    reader = _Reader(pattern, random)
    text = reader.choice()
    if reader.at < len(pattern):
        raise ValueError(f"`{pattern[reader.at]}` at {reader.at + 1} can't stand there")
    return text


class _Reader:
    def __init__(self, pattern: str, random: Random) -> None:
        self.pattern, self.random, self.at, self.depth, self.steps = pattern, random, 0, 0, 0

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def take(self) -> str:
        found = self.peek()
        if not found:
            raise ValueError("ends too early")
        self.at += 1
        return found

    def choice(self) -> str:
        ways = [self.run()]
        while self.peek() == "|":
            self.at += 1
            ways.append(self.run())
        return self.random.choice(ways)

    def run(self) -> str:
        text = ""
        while self.peek() and self.peek() not in "|)":
            start = self.at
            piece = self.item()
            low, high = self.times()
            end = self.at
            count = self.random.randint(low, high)
            if count == 0:
                piece = ""
            for _ in range(count - 1):
                self.at = start
                piece += self.item()
                if len(text) + len(piece) > MOST:
                    raise ValueError(f"makes more than {MOST} characters")
            self.at = end
            text += piece
        return text

    def item(self) -> str:
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise ValueError("repeats too much")
        found = self.take()
        if found == "(":
            return self.group()
        if found == "[":
            return self.random.choice(self.members())
        if found == "\\":
            escaped = self.take()
            if escaped.isalnum() and escaped not in _CLASSES:
                raise ValueError(f"\\{escaped} is not known; known: \\d, \\w and escaped marks")
            return self.random.choice(_CLASSES.get(escaped, escaped))
        if found in ".*+?{}^$]":
            raise ValueError(f"`{found}` can't stand there; known: [A-Z], \\d, (a|b), ?, {{2,4}}")
        return found

    def group(self) -> str:
        self.depth += 1
        if self.depth > 10:
            raise ValueError("is nested too deep")
        text = self.choice()
        if self.take() != ")":
            raise ValueError("a group has no end")
        self.depth -= 1
        return text

    def members(self) -> str:
        found = ""
        while (letter := self.take()) != "]":
            if self.peek() == "-" and self.pattern[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                last = self.take()
                if not 0 <= ord(last) - ord(letter) < 300:
                    raise ValueError(f"`{letter}-{last}` is no range")
                found += "".join(map(chr, range(ord(letter), ord(last) + 1)))
            else:
                found += letter
        if not found or found.startswith("^"):
            raise ValueError("a class must name its characters")
        return found

    def times(self) -> tuple[int, int]:
        if self.peek() == "?":
            self.at += 1
            return 0, 1
        if self.peek() != "{":
            return 1, 1
        end = self.pattern.find("}", self.at)
        low, _, high = self.pattern[self.at + 1 : end].partition(",")
        if end < 0 or not low.isdigit() or not (high or low).isdigit() or int(high or low) > 50:
            raise ValueError("repeat with {3} or {2,4}, at most 50")
        self.at = end + 1
        if int(low) > int(high or low):
            raise ValueError("the first number of {2,4} must be the smaller one")
        return int(low), int(high or low)
