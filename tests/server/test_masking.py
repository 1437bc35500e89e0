"""Log records that hold what they should not: masked for senmon's and for libraries' loggers alike."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import jwt
import pytest

from senmon.server.logging import configure_logging
from senmon.server.masking import masked

CUSTOMER = jwt.encode({"sub": "C-1", "aud": "local", "exp": 4102444800}, "k" * 32, algorithm="HS256")
SECRETS = {
    "phone": ("call me on +44 20 7946 0958", "7946"),
    "card": ("card 4111 1111 1111 1111 declined", "4111"),
    "iban": ("to DE89 3704 0044 0532 0130 00 please", "3704"),
    "email": ("robin.hood@sherwood.example wrote", "robin.hood"),
    "ip": ("visitor 93.184.216.34 left", "93.184"),
    "bearer": ("Authorization: Bearer abcdef0123456789", "abcdef0123"),
    "key": ("uses sk-0123456789abcdef0123 now", "0123456789abcdef"),
    "customer": (f"X-Senmon-Customer: {CUSTOMER}", CUSTOMER[10:40]),
    "jwt": (f"got {CUSTOMER} again", CUSTOMER[-20:]),
    "token": ("https://api.example/x?token=hunter2secret&a=1", "hunter2"),
    "variable": ("SHOP_TOKEN=hunter2secret failed", "hunter2"),
    "json": ('{"password": "hunter2secret"}', "hunter2"),
    "basic": ("authorization: basic aHVudGVyMjpzZWNyZXQ=", "aHVudGVy"),
    "url": ("postgresql://senmon:hunter2@db/senmon", "hunter2"),
}
KEPT = (
    "Uvicorn running on http://127.0.0.1:8000 (Press CTRL+C to quit)",
    "loaded 10 actions of support@0.2.0 (code 1a2b3c4d5e6f)",
    "catalog rebuilt: support, tutor",
    "the service of order_status answered 404",
    "a turn ended with prompt_too_long",
    "run q3VJ0cW1mFv2Yx8bT5nA7g could not be stored",
    "prompt has 2048 tokens, the budget is 400 tokens",
    "action order_status of support took longer than 10.0 s",
)


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.mark.parametrize(
    "name", ["senmon.assistant.turn", "uvicorn.error", "asyncio.other", "somebody.elses"]
)
@pytest.mark.parametrize("kind", SECRETS)
def test_nobodys_secret_is_written(name: str, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    text, secret = SECRETS[kind]
    configure_logging("DEBUG")
    log = logging.getLogger(name)
    log.warning("it said %s and stopped", text)
    log.error(text, extra={"facts": {"note": text, "run_id": "r1"}})
    try:
        raise ValueError(text)
    except ValueError:
        log.exception("a fault")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert len(lines) == 3 and lines[1]["run_id"] == "r1" and lines[2]["exception"] == "ValueError"
    assert secret not in json.dumps(lines)
    assert lines[0]["event"].startswith("it said ") and lines[0]["event"].endswith(" and stopped")


@pytest.mark.parametrize("text", KEPT)
def test_what_an_operator_needs_stays(text: str) -> None:
    assert masked(text) == text


def test_a_record_that_does_not_fit_its_arguments_is_no_fault(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")
    logging.getLogger("senmon").warning("%d of %s", "hunter2")
    (line,) = capsys.readouterr().err.splitlines()
    assert "hunter2" not in line


def test_a_huge_record_costs_little() -> None:
    assert len(masked("a@b.example +44 20 7946 0958 " * 50_000)) < 4100
