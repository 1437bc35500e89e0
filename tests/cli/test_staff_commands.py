"""`senmon staff`: who may sign in to the console, as the operator of a server manages it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from senmon.cli import staff
from senmon.errors import ConfigError, Forbidden, SenmonError
from senmon.store.store import Store

runner = CliRunner()
PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SENMON_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SENMON_PORT", "8123")
    return tmp_path / "home"


def call(*arguments: str, typed: str = "") -> Result:
    return runner.invoke(staff.app, list(arguments), input=typed)


def told(*arguments: str, typed: str = "") -> Any:
    result = call(*arguments, "--json", typed=typed)
    assert result.exit_code == 0, result.output + repr(result.exception)
    return json.loads(result.output[result.output.index("{" if "{" in result.output else "[") :])


def refused(kind: type[SenmonError], *arguments: str) -> str:
    result = call(*arguments)
    assert isinstance(result.exception, kind), result.output
    return str(result.exception)


def with_store(home: Path, work: Any) -> Any:
    async def opened() -> Any:
        store = await Store.open(home / "senmon.db", serving=False)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(opened())


def test_from_a_link_to_a_disabled_account(home: Path) -> None:
    assert "senmon staff add" in call().output
    made = told("add", "Ann", "--role", "reviewer", "--display", "Ann of support")
    assert (made["name"], made["role"], made["state"]) == ("ann", "reviewer", "no password yet")
    link = made["link"]
    assert link.startswith("http://127.0.0.1:8123/console/setup/")
    other = told("reset", "ann")["link"]
    assert other != link, "a new link each time"
    assert told("role", "ann", "--role", "owner")["role"] == "owner"
    refused(Forbidden, "disable", "ann")
    refused(Forbidden, "role", "ann", "--role", "agent")
    told("add", "boss", "--role", "owner")
    assert told("disable", "ann")["state"] == "disabled"
    assert told("enable", "ann")["state"] == "no password yet"

    async def look(store: Store) -> tuple[Any, Any]:
        return await store.staff.get("ann"), await store.audit.entries(who="", most=20)

    found, entries = with_store(home, look)
    assert found.display == "Ann of support" and not found.password
    whats = {one.what for one in entries}
    assert {"let somebody in", "reset a password", "changed a role", "disabled an account"} <= whats
    token = link.rsplit("/", 1)[1]
    assert token not in json.dumps([dict(one.data) for one in entries]), "a link is no business of the log"


def test_a_password_that_is_typed_is_kept_as_a_hash_only(home: Path) -> None:
    made = told("add", "bea", "--role", "owner", "--password", typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert (made["state"], made["link"]) == ("active", None)

    async def look(store: Store) -> Any:
        return await store.staff.get("bea")

    found = with_store(home, look)
    assert found.password.startswith("$argon2") and PASSWORD not in found.password
    assert PASSWORD not in (home / "senmon.db").read_bytes().decode("latin-1")
    weak = call("add", "cyd", "--password", typed="12345678\n12345678\n")
    assert isinstance(weak.exception, SenmonError), weak.output
    assert [one["name"] for one in json.loads(call("--json").output)] == ["bea"], "nothing half done"


def test_what_can_not_be_is_refused_with_its_remedy() -> None:
    assert "owner" in refused(ConfigError, "add", "ann", "--role", "king")
    told("add", "ann")
    refused(SenmonError, "add", "ANN")
    for name in ("", "a/b", "<script>", "x" * 200, "\u202eann"):
        refused(SenmonError, "add", name)
    for command in (("role", "nobody", "--role", "agent"), ("disable", "nobody"), ("reset", "nobody")):
        refused(SenmonError, *command)
    table = call().output
    assert "ann" in table and "agent" in table
