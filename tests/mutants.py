"""Broken variants of an input, the same ones in every run."""

from __future__ import annotations

from collections.abc import Iterator

#: What is put into an input.
JOINTS = (
    b'"',
    b"{",
    b"[",
    b"\\u0000",
    b"\\ud800",
    b"1e999",
    b"-0",
    b"null",
    b"NaN",
    b"\xff",
    b"\xed\xa0\x80",
    b"[" * 5000,
    b"9" * 5000,
    b"\\n" * 400,
    b"true",
    b'{"a":' * 900,
)


def mutants(seed: bytes, many: int) -> Iterator[bytes]:
    """The same ones in every run: a joint in each place, a piece left out or doubled."""
    for number in range(many):
        at = (number * 37) % len(seed)
        joint = JOINTS[number % len(JOINTS)]
        yield (
            seed[:at] + joint + seed[at:],
            seed[:at] + joint,
            seed[:at] + seed[at + 5 :],
            seed[:at] + seed,
        )[number % 4]
