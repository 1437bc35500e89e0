"""The watch over the log of all tests: it hears senmon, and it knows a secret when it sees one."""

from __future__ import annotations

import logging

import jwt
import pytest

from secret_watch import SecretWatch
from senmon.server.auth import Authenticator
from senmon.store.keys import new_key

SECRETS = {
    "a visitor's token": jwt.encode({"sub": "ann"}, "k" * 32, algorithm="HS256"),
    "an API key": new_key(),
    "a refresh token": Authenticator.new_refresh(None),  # type: ignore[arg-type]
    "a hash of a password": "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaA",
}


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_in_a_log_line_is_found(kind: str) -> None:
    log = logging.getLogger("senmon.somewhere")
    watch = SecretWatch()
    record = log.makeRecord(log.name, logging.WARNING, __file__, 7, "given %s", (SECRETS[kind],), None)
    watch.emit(record)
    assert watch.found == [f"{__file__}:7"] and SECRETS[kind] not in str(watch.found)


def test_ordinary_lines_are_not_secrets() -> None:
    log, watch = logging.getLogger("senmon.somewhere"), SecretWatch()
    for text in ("run 5Jx2 ended", "digest " + "a" * 64, "sk- is how a key begins", "POST /v1/visitors 201"):
        watch.emit(log.makeRecord(log.name, logging.INFO, __file__, 1, text, (), None))
    assert watch.found == [] and watch.lines == 4


def test_senmons_own_log_is_heard() -> None:
    with SecretWatch() as watch:
        logging.getLogger("senmon.server").warning("something")
    assert watch.lines == 1
