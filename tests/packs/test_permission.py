"""Permission to run a pack's Python is bound to its digest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from senmon.errors import ConfigError
from senmon.packs import permission
from senmon.packs.loader import load_pack
from senmon.packs.permission import Permissions, shipped_digests, write_shipped

Make = Callable[..., Path]


def test_not_allowed_allowed_changed(pack_folder: Make, tmp_path: Path) -> None:
    folder = pack_folder("shop")
    permissions = Permissions(tmp_path / "home")
    pack = load_pack(folder)
    assert permissions.state(pack) == "not allowed" and not permissions.allowed(pack)
    permissions.allow(pack)
    assert permissions.state(pack) == "allowed" and Permissions(tmp_path / "home").allowed(pack)
    (folder / "actions.py").write_text("import os\n", encoding="utf-8")
    changed = load_pack(folder)
    assert permissions.state(changed) == "changed" and not permissions.allowed(changed)
    permissions.allow(changed)
    assert permissions.allowed(changed) and not permissions.allowed(pack)


def test_other_files_don_t_take_the_permission_away(pack_folder: Make, tmp_path: Path) -> None:
    folder = pack_folder("shop")
    permissions = Permissions(tmp_path)
    permissions.allow(load_pack(folder))
    (folder / "system.md").write_text("You are another.", encoding="utf-8")
    assert permissions.allowed(load_pack(folder))


def test_no_code_needs_no_permission(pack_folder: Make, tmp_path: Path) -> None:
    folder = pack_folder("shop", actions={"specs": []})
    (folder / "actions.py").unlink()
    pack = load_pack(folder)
    assert Permissions(tmp_path).state(pack) == "no code" and Permissions(tmp_path).allowed(pack)


def test_shipped_packs_are_allowed_as_they_ship(
    pack_folder: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pack_folder("shop")
    pack = load_pack(folder)
    written = write_shipped([pack], tmp_path / "shipped.json")
    assert written.read_text(encoding="utf-8") == f'{{\n  "shop": "{pack.code_digest}"\n}}\n'
    monkeypatch.setattr(permission, "shipped_digests", lambda: {"shop": pack.code_digest})
    assert Permissions(tmp_path).state(pack) == "allowed"
    (folder / "actions.py").write_text("import os\n", encoding="utf-8")
    assert Permissions(tmp_path).state(load_pack(folder)) == "not allowed"


def test_the_shipped_list_is_readable() -> None:
    assert all(len(digest) == 64 for digest in shipped_digests().values())


@pytest.mark.parametrize("text", ["{", "[]", '{"shop": 1}', "\xff"])
def test_a_broken_file_allows_nothing(pack_folder: Make, tmp_path: Path, text: str) -> None:
    (tmp_path / "permissions.json").write_text(text, encoding="latin-1")
    with pytest.raises(ConfigError, match="allow the packs again"):
        Permissions(tmp_path).allowed(load_pack(pack_folder("shop")))
