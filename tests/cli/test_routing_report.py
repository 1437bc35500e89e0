"""`senmon eval router` over all packs: one that can't be read is named and left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from senmon.cli.routing_report import _readable, evaluate_routes
from senmon.errors import PackNotFound
from senmon.packs.loader import load_pack


def test_a_pack_without_good_examples_is_left_out(
    pack_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    shop, bare = pack_folder("shop"), pack_folder("bare")
    for file in (bare / "data").glob("*.jsonl"):
        file.write_text('{"messages": []}\n', encoding="utf-8")
    packs = {folder.name: load_pack(folder) for folder in (shop, bare)}
    workspace = cast(Any, SimpleNamespace(packs=packs))
    assert [pack.name for pack, _ in _readable(workspace)] == ["shop"]
    assert "left out: bare" in capsys.readouterr().err
    with pytest.raises(PackNotFound):
        evaluate_routes(cast(Any, SimpleNamespace(packs={"bare": packs["bare"]})), (), None, json=True)
