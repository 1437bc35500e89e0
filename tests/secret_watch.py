"""Listens to all that senmon logs and finds what looks like a secret."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Self

#: JSON Web Tokens, API keys, refresh tokens, secrets of sites: as senmon makes them.
SECRET = re.compile(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.|\b(?:sk-|rt_|ss_)[A-Za-z0-9_-]{32,}|\$argon2id?\$")
_MOST = 20


def nothing_secret() -> Iterator[None]:
    """For a fixture: all that senmon logs until its end has no token, key or secret of anybody in it."""
    with SecretWatch() as watch:
        yield
    # Tests of masking log secrets themselves, on purpose.
    ours = [place for place in watch.found if not Path(place).is_relative_to(Path(__file__).parent)]
    assert ours == [], "secrets were logged"


class SecretWatch(logging.Handler):
    """`found` holds the place of each line with a secret in it, its traceback included, never the secret."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.found: list[str] = []
        self.lines = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += 1
        try:
            text = f"{logging.Formatter().format(record)} {vars(record)}"
        except (TypeError, ValueError):
            text = str(vars(record))
        if SECRET.search(text) and len(self.found) < _MOST:
            self.found.append(f"{record.pathname}:{record.lineno}")

    def __enter__(self) -> Self:
        logging.getLogger("senmon").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("senmon").removeHandler(self)
