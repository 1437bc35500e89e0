"""`export`: the examples of a pack, or some splits of them, as a file or folder for other tools."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from senmon.dataset.example import SPLITS, Dataset, Example, Split
from senmon.dataset.exports.card import HUB_SPLITS, card
from senmon.dataset.exports.chat_lines import Frame, openai_line, sharegpt_line
from senmon.dataset.hugging_face import to_hf
from senmon.errors import ConfigError, DataInvalid, Problem
from senmon.packs.atomic import new_folder, replaced_file
from senmon.packs.pack import Pack

Format = Literal["openai", "sharegpt", "hf"]
_LINES = {"openai": openai_line, "sharegpt": sharegpt_line}


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was written: conversations per split and licence, bytes of all files."""

    target: Path
    format: Format
    splits: Mapping[str, int]
    licences: Mapping[str, int]
    bytes: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """`splits` empty: all. `bare`: no metadata beside the conversation. `system`: with the pack's text."""

    splits: tuple[Split, ...] = ()
    bare: bool = False
    system: bool = True
    overwrite: bool = False


def export_pack(
    pack: Pack, dataset: Dataset, format: Format, out: Path, wanted: Wanted = Wanted()
) -> ExportReport:
    """Writes the examples to `out`: JSON Lines (`openai`, `sharegpt`) or a new dataset folder (`hf`).

    It appears whole or not at all. Raises ConfigError when `out` is there (a file may be replaced with
    `overwrite`, a folder never), DataInvalid when the splits hold nothing.
    """
    names = [name for name in SPLITS if not wanted.splits or name in wanted.splits]
    parts = {name: part for name in names if (part := dataset.split(name))}
    if not parts:
        why = f"has no example in {', '.join(names)}"
        held = ", ".join(name for name in SPLITS if dataset.split(name))
        raise DataInvalid(
            f"{pack.name}: nothing was exported",
            [Problem(str(pack.path), 0, "split", why, f"it has: {held}")],
        )
    _check(out, format, wanted.overwrite)
    if format == "hf":
        _write_folder(pack, parts, out)
    else:
        _write_lines(pack, [example for part in parts.values() for example in part], format, out, wanted)
    return _report(pack, parts, format, out)


def _check(out: Path, format: Format, overwrite: bool) -> None:
    if out.is_symlink() or (out.exists() and (out.is_dir() or not out.is_file())):
        raise ConfigError(f"{out} is there already", remedy="name a path where nothing is")
    if out.exists() and (format == "hf" or not overwrite):
        remedy = "name another path" if format == "hf" else "name another path, or give --overwrite"
        raise ConfigError(f"{out} is there already", remedy=remedy)


def _write_lines(pack: Pack, examples: Sequence[Example], format: Format, out: Path, wanted: Wanted) -> None:
    system = pack.system.strip() if wanted.system else ""
    frame = Frame(system, tuple(pack.actions.values()), not wanted.bare)
    line = _LINES[format]
    with replaced_file(out) as file:
        for example in examples:
            file.write(json.dumps(line(example, frame), ensure_ascii=False) + "\n")


def _write_folder(pack: Pack, parts: Mapping[Split, Sequence[Example]], out: Path) -> None:
    tools = Frame(actions=tuple(pack.actions.values())).tools()
    text = json.dumps(tools, ensure_ascii=False) if tools else ""
    whole = to_hf(Dataset(tuple(example for part in parts.values() for example in part)), tools=text)
    files: dict[Split, str] = {name: f"data/{HUB_SPLITS[name]}-00000-of-00001.parquet" for name in parts}
    with new_folder(out) as folder:
        (folder / "data").mkdir()
        for name, path in files.items():
            whole[name].to_parquet(str(folder / path))
        (folder / "README.md").write_text(card(pack.manifest, parts, files, bool(tools)), encoding="utf-8")


def _report(pack: Pack, parts: Mapping[Split, Sequence[Example]], format: Format, out: Path) -> ExportReport:
    licences = Counter(
        example.licence or pack.manifest.licence for part in parts.values() for example in part
    )
    files = [path for path in out.rglob("*") if path.is_file()] if out.is_dir() else [out]
    return ExportReport(
        target=out,
        format=format,
        splits={name: len(part) for name, part in parts.items()},
        licences=dict(licences.most_common()),
        bytes=sum(path.stat().st_size for path in files),
    )
