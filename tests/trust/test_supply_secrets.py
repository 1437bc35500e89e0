"""The watch over the log of all tests: it hears senmon, and it knows a secret when it sees one."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

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


CONFTEST = """
import sys, pytest
sys.path.insert(0, {tests!r})
from secret_watch import nothing_secret

@pytest.fixture(scope="session", autouse=True)
def watched():
    yield from nothing_secret()
"""
#: A line of senmon's own code, as far as the log knows.
LEAK = """
import logging

def test_of_something():
    exec(compile("log.warning('opened with %s', secret)", {place!r}, "exec"),
         {{"log": logging.getLogger("senmon.server"), "secret": {secret!r}}})
"""


@pytest.mark.parametrize("kind", ["an API key", "nothing secret"])
def test_one_secret_in_the_log_fails_a_whole_run(tmp_path: Path, kind: str) -> None:
    """A suite of its own, with the watch of this one and a line that leaks."""
    tests = Path(__file__).parents[1]
    place = str(tests.parent / "src" / "senmon" / "server" / "auth.py")
    (tmp_path / "conftest.py").write_text(CONFTEST.format(tests=str(tests)), encoding="utf-8")
    secret = SECRETS.get(kind, "a word")
    (tmp_path / "test_leak.py").write_text(LEAK.format(place=place, secret=secret), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "."]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    if kind in SECRETS:
        assert done.returncode == 1 and "secrets were logged" in done.stdout, done.stdout
        # Where it was is told, and not what.
        assert "auth.py:1" in done.stdout.replace("\n", "")
    else:
        assert done.returncode == 0, done.stdout


def test_senmons_own_log_is_heard() -> None:
    with SecretWatch() as watch:
        logging.getLogger("senmon.server").warning("something")
    assert watch.lines == 1
