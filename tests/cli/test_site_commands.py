"""`senmon sites` and `senmon visitors`, as the operator of a server meets them."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from typer.testing import CliRunner, Result

from senmon.cli import sites, visitors
from senmon.errors import ConfigError, ConversationNotFound, SenmonError, SiteNotFound
from senmon.messages import Event, Identity, Message
from senmon.store.store import Store

runner = CliRunner()
SHOP = "https://shop.example"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack_folder: Callable[..., Path]) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SENMON_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SENMON_PACKS", str(pack_folder("shop").parent))
    return tmp_path / "home"


def call(app: Any, *arguments: str, typed: str = "") -> Result:
    return runner.invoke(app, list(arguments), input=typed)


def done(app: Any, *arguments: str, typed: str = "") -> str:
    result = call(app, *arguments, typed=typed)
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.output


def refused(kind: type[SenmonError], app: Any, *arguments: str) -> str:
    result = call(app, *arguments)
    assert isinstance(result.exception, kind), result.output
    return str(result.exception)


def add(*more: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(done(sites.app, "add", "shop", "--origin", SHOP, "--json", *more))
    return made


def stored(home: Path, work: Callable[[Store], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        store = await Store.open(home / "senmon.db", serving=False)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


def test_a_site_is_added_shown_changed_and_removed(home: Path) -> None:
    assert "senmon sites add NAME" in done(sites.app)
    made = add("--pack", "shop", "--title", "Corner shop", "--url", "https://bot.example/")
    assert made["embed"] == (
        '<script type="module" src="https://bot.example/widget/v1/senmon-chat.js" '
        f'data-site-key="{made["key"]}"></script>'
    )
    assert made["key"].startswith("pk_") and made["secret"].startswith("ss_")
    [listed] = json.loads(done(sites.app, "--json"))
    assert (listed["name"], listed["title"], listed["packs"]) == ("shop", "Corner shop", ["shop"])
    assert "secret" not in listed and made["secret"].encode() not in (home / "senmon.db").read_bytes()
    table = done(sites.app, "list")
    assert "Corner shop" in table and "anyone" in table and "good" in table
    changed = json.loads(done(sites.app, "change", "shop", "--require-identity", "--all-packs", "--json"))
    assert (changed["require_identity"], changed["packs"], changed["origins"]) == (True, None, [SHOP])
    assert call(sites.app, "remove", "shop", typed="n\n").exit_code == 1
    assert len(json.loads(done(sites.app, "--json"))) == 1
    assert "removed shop" in done(sites.app, "remove", "shop", typed="y\n")
    assert json.loads(done(sites.app, "--json")) == []


def test_a_secret_is_shown_once_and_rotated(home: Path) -> None:
    made = add()
    assert made["secret"] not in done(sites.app, "list") + done(sites.app, "--json")
    new = json.loads(done(sites.app, "rotate", "shop", "--overlap", "0", "--json"))
    assert new["secret"] != made["secret"] and new["key"] == made["key"]
    token = jwt.encode({"sub": "C-1", "aud": new["key"]}, new["secret"], algorithm="HS256")
    assert jwt.decode(token, new["secret"], algorithms=["HS256"], audience=new["key"])["sub"] == "C-1"
    (home / "secret").unlink()
    assert "lost: senmon sites rotate" in done(sites.app, "list")


def test_a_desk_gets_a_key_of_its_own(home: Path) -> None:
    add()
    given = json.loads(done(sites.app, "key", "shop", "--title", "evening desk", "--json"))
    found = stored(home, lambda store: store.find_key(given["key"]))
    assert (found.site, found.name) == ("shop", "evening desk")
    refused(SiteNotFound, sites.app, "key", "nobody")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--origin", "https://*.example"], "is no origin"),
        (["--origin", "https://shop.example/path"], "is no origin"),
        (["--origin", SHOP, "--url", "https://bot.example/deep"], "--url"),
        (["--origin", SHOP, "--pack", "nowhere"], "nowhere"),
        (["--origin", SHOP, "--prechat", "missing.json"], "missing.json"),
        ([], "origin"),
    ],
)
def test_wishes_that_can_not_be_are_explained(arguments: list[str], said: str) -> None:
    assert said in refused(SenmonError, sites.app, "add", "shop", *arguments)


def test_nothing_is_half_added(tmp_path: Path) -> None:
    (tmp_path / "form.json").write_text('{"type": "object", "properties": {"a": {"type": "array"}}}')
    assert "type must be one of" in refused(
        ConfigError, sites.app, "add", "shop", "--origin", SHOP, "--prechat", "form.json"
    )
    assert json.loads(done(sites.app, "--json")) == []
    refused(SiteNotFound, sites.app, "change", "shop", "--title", "Shop")
    add()
    refused(SenmonError, sites.app, "add", "shop", "--origin", SHOP)
    assert "nothing to change" in refused(ConfigError, sites.app, "change", "shop")


# One person's data

ANN = Identity("shop", "ann", "C-1001")


async def _talk(store: Store) -> str:
    made = await store.create_conversation(ANN)
    opening = Event("run", {}, {"messages": [Message("user", "Where is A1?").to_json()]})
    run = await store.start_run(made.id, "1", "Where is A1?", customer="C-1001", opening=opening)
    await store.append(run.id, Event("delta", {"text": "On its way to 日本."}))
    await store.append(run.id, Event("done", {"finish_reason": "stop"}))
    await store.finish_run(run.id, "done")
    await store.create_conversation(Identity("shop", "bob", "C-2"))
    return made.id


def test_one_persons_data_is_given_out_and_erased(home: Path, tmp_path: Path) -> None:
    add()
    conversation = stored(home, _talk)
    text = done(visitors.app, "export", "--customer", "C-1001", "--site", "shop")
    [found] = json.loads(text)
    assert "On its way to 日本." in text and "Where is A1?" in text and "C-2" not in text
    assert json.loads(done(visitors.app, "export", "--conversation", conversation)) == [found]
    assert "1 conversations" in done(visitors.app, "export", "--visitor", "ann", "--out", "ann.json")
    assert stat.S_IMODE((tmp_path / "ann.json").stat().st_mode) == 0o600
    assert json.loads((tmp_path / "ann.json").read_text(encoding="utf-8")) == [found]
    assert call(visitors.app, "erase", "--customer", "C-1001", typed="n\n").exit_code == 1
    assert len(json.loads(done(visitors.app, "export", "--customer", "C-1001"))) == 1
    assert "erased 1 conversations" in done(visitors.app, "erase", "--conversation", conversation, "--yes")
    assert json.loads(done(visitors.app, "export", "--customer", "C-1001")) == []
    assert len(json.loads(done(visitors.app, "export", "--customer", "C-2"))) == 1


def test_exactly_one_person_is_named() -> None:
    for arguments in ([], ["--visitor", "ann", "--customer", "C-1"]):
        assert "name one person" in refused(ConfigError, visitors.app, "erase", "--yes", *arguments)
    refused(ConversationNotFound, visitors.app, "export", "--conversation", "nowhere")
