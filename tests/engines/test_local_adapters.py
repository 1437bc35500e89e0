"""Adapters from disk: what is refused, what lives together, what is let go."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from enginekit import ask, card_of, replies, reply, write_adapter
from senmon.adapters import Adapter
from senmon.bases.catalog import BaseFiles
from senmon.engines.fleet import FleetStats
from senmon.engines.local import LocalEngine
from senmon.engines.local_scheduler import EngineStats
from senmon.errors import AdapterCorrupt, AdapterError, AdapterMismatch, AdapterNotFound
from senmon.server.gauges import COUNTED, HAS

Make = Callable[..., LocalEngine]
WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def copy(adapters: tuple[Adapter, ...], tmp_path: Path) -> Path:
    return Path(shutil.copytree(adapters[0].path, tmp_path / "copy"))


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / WEIGHTS)


def change_config(folder: Path, **fields: object) -> None:
    path = folder / "adapter_config.json"
    data = json.loads(path.read_text(encoding="utf-8")) | fields
    path.write_text(json.dumps(data), encoding="utf-8")


async def test_a_tampered_adapter_is_refused(
    make_engine: Make, adapters: tuple[Adapter, ...], copy: Path
) -> None:
    change_weights(copy, lambda tensors: next(iter(tensors.values())).mul_(2))
    with pytest.raises(AdapterCorrupt, match="differ from version"):
        await reply(make_engine(), ask("hello", replace(adapters[0], path=copy)))


async def test_an_adapter_of_another_base_is_refused(
    make_engine: Make, adapters: tuple[Adapter, ...]
) -> None:
    other = replace(adapters[0], card=adapters[0].card.model_copy(update={"base_digest": "f" * 64}))
    with pytest.raises(AdapterMismatch, match="another base"):
        await reply(make_engine(), ask("hello", other))


async def test_missing_files_are_named(make_engine: Make, adapters: tuple[Adapter, ...]) -> None:
    with pytest.raises(AdapterNotFound, match="nowhere"):
        await reply(make_engine(), ask("hello", replace(adapters[0], path=Path("/nowhere"))))


def _rename(tensors: dict[str, torch.Tensor]) -> None:
    name = next(name for name in tensors if "q_proj.lora_A" in name)
    tensors[name.replace("q_proj", "x_proj")] = tensors.pop(name)


def _cut(tensors: dict[str, torch.Tensor]) -> None:
    name = next(name for name in tensors if "q_proj.lora_B" in name)
    tensors[name] = tensors[name][:-1]


def _spoil(tensors: dict[str, torch.Tensor]) -> None:
    next(iter(tensors.values()))[0, 0] = float("nan")


@pytest.mark.parametrize(
    ("change", "why"), [(_rename, "no linear layer"), (_cut, "has shapes"), (_spoil, "finite")]
)
async def test_weights_that_do_not_fit_are_refused(
    make_engine: Make,
    tiny_base: BaseFiles,
    copy: Path,
    change: Callable[[dict[str, torch.Tensor]], None],
    why: str,
) -> None:
    change_weights(copy, change)
    with pytest.raises(AdapterMismatch, match=why):
        await reply(make_engine(), ask("hello", card_of(copy, "alpha", tiny_base.digest)))


@pytest.mark.parametrize(
    "fields",
    [
        {"use_dora": True},
        {"modules_to_save": ["lm_head"]},
        {"rank_pattern": {"q_proj": 2}},
        {"init_lora_weights": "pissa"},
        {"peft_type": "LOHA"},
    ],
)
async def test_kinds_that_are_not_plain_lora_are_refused(
    make_engine: Make, tiny_base: BaseFiles, copy: Path, fields: dict[str, object]
) -> None:
    change_config(copy, **fields)
    with pytest.raises(AdapterError):
        await reply(make_engine(), ask("hello", card_of(copy, "alpha", tiny_base.digest)))


async def test_a_refused_adapter_leaves_the_engine_and_its_places_alone(
    make_engine: Make, adapters: tuple[Adapter, ...]
) -> None:
    engine = make_engine(slots=1, queue=0)
    for _ in range(3):
        with pytest.raises(AdapterNotFound):
            await reply(engine, ask("hello", replace(adapters[0], path=Path("/nowhere"))))
    assert (await reply(engine, ask("hello", adapters[0]))).text


async def test_the_least_recent_adapter_is_let_go_and_comes_back(
    make_engine: Make, adapters: tuple[Adapter, ...]
) -> None:
    engine = make_engine(adapters=2)
    first = await replies(engine, [ask("hello", adapter) for adapter in adapters])
    assert engine.stats().adapters == 2
    again = await replies(engine, [ask("hello", adapter) for adapter in adapters])
    assert [one.text for one in again] == [one.text for one in first]
    stats = engine.stats()
    asked, loads = 2 * len(adapters), stats.adapter_loads
    assert (stats.adapter_hits + loads, stats.adapter_evictions) == (asked, loads - 2)
    assert loads > len(adapters)


def test_every_figure_of_the_engine_says_what_it_is() -> None:
    told = {field.name for stats in (EngineStats, FleetStats) for field in fields(stats)}
    assert told == {*COUNTED, *HAS}


async def test_a_preloaded_adapter_needs_no_disk(
    make_engine: Make, tiny_base: BaseFiles, tmp_path: Path
) -> None:
    engine = make_engine()
    adapter = write_adapter(tiny_base, tmp_path / "gone", "gone", seed=9)
    await engine.preload([adapter])
    shutil.rmtree(adapter.path)
    assert (await reply(engine, ask("hello", adapter))).text
