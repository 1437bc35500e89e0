"""Signed packs: only what a trusted author signed runs, whole, and never an earlier version again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from senmon.cli import packs
from senmon.errors import ConfigError
from senmon.packs.inventory import SIGNATURE
from senmon.packs.loader import load_pack
from senmon.packs.permission import Permissions
from senmon.packs.signature import Signature, new_key, parse_public, read_key, read_signature, sign

Make = Callable[..., Path]


class Desk:
    """An author with a key, an operator who knows it, and the pack."""

    def __init__(self, folder: Path, room: Path) -> None:
        self.folder, self.room = folder, room
        self.permissions = Permissions(room / "home")
        self.public = new_key(room / "key")
        self.sign()
        self.permissions.authors.trust("acme", self.public)
        self.permissions.allow(load_pack(folder), "acme")

    def sign(self, key: str = "key") -> Signature:
        return sign(load_pack(self.folder), read_key(self.room / key))

    @property
    def state(self) -> str:
        return self.permissions.state(load_pack(self.folder))

    @property
    def fault(self) -> str:
        return self.permissions.fault(load_pack(self.folder))

    def change(self, name: str = "actions.py", text: str = "# more\n") -> None:
        with (self.folder / name).open("a", encoding="utf-8") as file:
            file.write(text)


@pytest.fixture
def desk(pack_folder: Make, tmp_path: Path) -> Desk:
    made = Desk(pack_folder("shop"), tmp_path)
    assert (made.state, made.fault) == ("allowed", "")
    return made


@pytest.mark.parametrize("name", ["actions.py", "system.md", "data/train.jsonl", "pack.yaml"])
def test_a_signed_pack_that_was_changed_does_not_run(desk: Desk, name: str) -> None:
    desk.change(name, "\n")
    assert desk.state == "changed" and "changed after it was signed" in desk.fault
    desk.sign()
    assert desk.state == "allowed"


def test_a_file_more_or_less_is_a_change(desk: Desk) -> None:
    (desk.folder / "helper.py").write_text("", encoding="utf-8")
    assert desk.state == "changed"
    (desk.folder / "helper.py").unlink()
    assert desk.state == "allowed"
    (desk.folder / "negatives.jsonl").rename(desk.folder / "negatives.json")
    (desk.folder / "negatives.json").rename(desk.folder / "negatives.jsonl")
    assert desk.state == "allowed", "it is the same again"


def test_a_stripped_signature_vouches_for_nothing(desk: Desk) -> None:
    (desk.folder / SIGNATURE).unlink()
    assert desk.state == "changed" and desk.fault == "it is not signed"


def test_an_older_signed_version_does_not_run_again(desk: Desk) -> None:
    older = {name: (desk.folder / name).read_bytes() for name in ("actions.py", SIGNATURE)}
    desk.change()
    desk.sign()
    assert desk.state == "allowed"
    for name, content in older.items():
        (desk.folder / name).write_bytes(content)
    assert desk.state == "changed" and "put back" in desk.fault
    assert Permissions(desk.room / "home").state(load_pack(desk.folder)) == "changed", "after a restart too"
    desk.permissions.allow(load_pack(desk.folder), "acme")  # its operator goes back on purpose
    assert desk.state == "allowed"


def test_a_key_of_somebody_else_counts_for_nothing(desk: Desk) -> None:
    other = new_key(desk.room / "other")
    desk.sign("other")
    assert desk.state == "changed" and "not one of acme" in desk.fault
    desk.permissions.authors.trust("evil", other)
    assert desk.state == "changed", "whom the operator trusts for another pack"
    with pytest.raises(ConfigError, match="not one of acme"):
        desk.permissions.allow(load_pack(desk.folder), "acme")


def test_a_key_is_changed_and_the_old_one_forgotten(desk: Desk) -> None:
    new = new_key(desk.room / "new")
    desk.permissions.authors.trust("acme", new)
    assert desk.state == "allowed", "signed with the old one"
    desk.sign("new")
    assert desk.state == "allowed"
    desk.permissions.authors.distrust("acme", desk.public)
    assert desk.state == "allowed"
    desk.change()
    desk.sign("key")
    assert desk.state == "changed", "the old key was stolen"
    desk.sign("new")
    assert desk.state == "allowed"
    desk.permissions.authors.distrust("acme")
    assert desk.state == "changed" and "no key of acme" in desk.fault


def test_a_signature_of_another_pack_vouches_for_nothing(desk: Desk, pack_folder: Make) -> None:
    other = pack_folder("other")
    sign(load_pack(other), read_key(desk.room / "key"))
    (desk.folder / SIGNATURE).write_bytes((other / SIGNATURE).read_bytes())
    assert desk.state == "changed" and desk.fault == "the signature is one of other"


def altered(found: Signature, **statement: Any) -> str:
    made = found.model_dump()
    return json.dumps({**made, "statement": {**made["statement"], **statement}})


HOSTILE: dict[str, Callable[[Signature], str]] = {
    "empty": lambda found: "",
    "not JSON": lambda found: "{",
    "deep": lambda found: "[" * 100_000,
    "huge": lambda found: json.dumps(found.model_dump()) + " " * 20_000,
    "more": lambda found: json.dumps({**found.model_dump(), "trusted": True}),
    "later": lambda found: altered(found, signed=found.statement.signed + 1),
    "a number as text": lambda found: altered(found, signed=str(found.statement.signed)),
    "no number": lambda found: altered(found, signed=float("nan")),
    "another digest": lambda found: altered(found, digest="0" * 64),
    "no signature": lambda found: json.dumps({**found.model_dump(), "signature": ""}),
    "a signature of nobody": lambda found: json.dumps({**found.model_dump(), "signature": "A" * 86 + "=="}),
    "no key": lambda found: json.dumps({**found.model_dump(), "key": "ed25519:"}),
    # A point of small order: with it a signature of zeros fits many messages, in careless libraries.
    "a weak key": lambda found: json.dumps(
        {**found.model_dump(), "key": "ed25519:AQ" + "A" * 41 + "=", "signature": "AQ" + "A" * 84 + "=="}
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_signature_vouches_for_nothing(desk: Desk, kind: str) -> None:
    found = read_signature(load_pack(desk.folder))
    assert found is not None
    (desk.folder / SIGNATURE).write_text(HOSTILE[kind](found), encoding="utf-8")
    assert desk.state == "changed" and desk.fault


def test_a_link_as_a_signature_is_not_followed(desk: Desk) -> None:
    (desk.folder / SIGNATURE).rename(desk.room / "elsewhere")
    (desk.folder / SIGNATURE).symlink_to(desk.room / "elsewhere")
    assert desk.state == "changed" and desk.fault == "it is not signed"


def test_a_changed_adapter_is_not_vouched_for(desk: Desk) -> None:
    (desk.folder / "adapter").mkdir()
    (desk.folder / "adapter" / "adapter_config.json").write_text("{}", encoding="utf-8")
    pack = load_pack(desk.folder)
    assert "the adapter was changed" in desk.permissions.authors.fault(pack, "acme", adapter=True)
    with pytest.raises(ConfigError, match="the adapter was changed"):
        desk.permissions.allow(pack, "acme")
    desk.sign()
    desk.permissions.allow(load_pack(desk.folder), "acme")


@pytest.mark.parametrize("text", ["{", "[]", '{"acme": "ed25519:x"}', '{"acme": [7]}', "\xff"])
def test_broken_lists_of_authors_allow_nothing(desk: Desk, text: str) -> None:
    for name in ("authors.json", "signed.json"):
        path = desk.room / "home" / name
        kept = path.read_bytes()
        path.write_text(text, encoding="latin-1")
        with pytest.raises(ConfigError, match="is broken"):
            desk.permissions.state(load_pack(desk.folder))
        path.write_bytes(kept)
    assert desk.state == "allowed"


@pytest.mark.parametrize(
    "text", ["", "ed25519:", "ssh-ed25519 AAAA", "ed25519:" + "A" * 43, "ed25519:\u202e"]
)
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="no public key"):
        parse_public(text)


def test_a_private_key_is_its_owners_and_never_replaced(tmp_path: Path) -> None:
    public = new_key(tmp_path / "key", "correct horse")
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0
    with pytest.raises(ConfigError, match="there already"):
        new_key(tmp_path / "key")
    for passphrase in ("", "wrong"):
        with pytest.raises(ConfigError, match="passphrase"):
            read_key(tmp_path / "key", passphrase)
    assert parse_public(public) == public and read_key(tmp_path / "key", "correct horse")


def test_signing_by_the_command_line(
    pack_folder: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pack_folder("shop")
    monkeypatch.setenv("SENMON_PACKS", str(folder.parent))
    monkeypatch.setenv("SENMON_HOME", str(tmp_path / "home"))
    app = typer.Typer()
    app.add_typer(packs.app, name="packs")

    def run(*words: str, code: int = 0) -> Any:
        done = CliRunner().invoke(app, ["packs", *words, "--json"], catch_exceptions=False)
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)

    key = str(tmp_path / "key")
    public = run("keygen", key)["public"]
    assert run("verify", "shop", code=1)["fault"] == "it is not signed"
    run("sign", "shop", "--key", key)
    assert public in run("verify", "shop", code=1)["fault"]
    assert run("trust", "acme", f"{key}.pub")["authors"] == {"acme": [public]}
    assert run("verify", "shop")["author"] == "acme"
    assert run("allow", "shop", "--author", "acme")["state"] == "allowed"
    (row,) = run("list")["packs"]
    assert (row["code"], row["author"]) == ("allowed", "acme")
    assert run("distrust", "acme", "--key", public)["authors"] == run("authors")["authors"] == {}
    assert run("list")["packs"][0]["code"] == "changed"


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_home_that_can_t_be_written_still_serves_what_is_signed(desk: Desk) -> None:
    desk.change()
    desk.sign()
    (desk.room / "home").chmod(0o500)
    try:
        assert desk.state == "allowed"
    finally:
        (desk.room / "home").chmod(0o700)
