"""New packs: a complete, commented one to edit, or the least that loads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.abc import Traversable
from importlib.resources import files
from pathlib import Path

from senmon.errors import PackInvalid, Problem
from senmon.packs.atomic import new_folder
from senmon.packs.manifest import NAME_PATTERN, RESERVED_NAMES
from senmon.packs.manifest_file import read_manifest

#: Python in the template carries this suffix, so that it is data here and code only in a pack.
_TEMPLATE_SUFFIX = ".txt"
UNKNOWN_LICENCE = "LicenseRef-unknown"


@dataclass(frozen=True, slots=True)
class NewPack:
    """What a minimal pack says of itself."""

    name: str
    title: str
    description: str
    licence: str = UNKNOWN_LICENCE
    attribution: str = ""

    @classmethod
    def of(cls, name: str, **given: str | None) -> NewPack:
        """With sensible texts for what is not `given`."""
        title = given.get("title") or name.replace("_", " ").replace("-", " ").capitalize()
        known = {key: value for key, value in given.items() if value}
        return cls(
            **{"name": name, "title": title, "description": f"Answers questions about {title}.", **known}
        )


def scaffold(name: str, parent: Path) -> Path:
    """Writes a complete pack `name` under `parent` and returns its folder; it loads and tunes as it is.

    Raises PackInvalid for a name that no pack may have, PackExists when the folder is there.
    """
    check_name(name)
    target = parent / name
    title = NewPack.of(name).title
    with new_folder(target) as folder:
        for parts, source in _template_files(files("senmon.packs").joinpath("template")):
            text = source.read_text(encoding="utf-8").replace("__NAME__", name).replace("__TITLE__", title)
            path = folder.joinpath(*parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(path.name.removesuffix(_TEMPLATE_SUFFIX)).write_text(text, encoding="utf-8")
    return target


def _template_files(
    folder: Traversable, above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _template_files(entry, (*above, entry.name))
        else:
            yield (*above, entry.name), entry


def write_minimal(folder: Path, pack: NewPack) -> None:
    """Writes manifest, system text and README of `pack` into `folder`; with a data file it loads.

    `folder` may still have a temporary name. Raises PackInvalid for a name, title or other
    field that no pack may have.
    """
    check_name(pack.name)
    texts = {"pack.yaml": _manifest(pack), "system.md": _system(pack), "README.md": _readme(pack)}
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    read_manifest(folder)


def check_name(name: str) -> None:
    """Raises PackInvalid when no pack may have this name."""
    if name in RESERVED_NAMES:
        why, remedy = "is a reserved name", "choose another name"
    elif not re.fullmatch(NAME_PATTERN, name):
        why, remedy = (
            "can't be a pack's name",
            "use lower-case letters, digits, - and _, at most 48, a letter first",
        )
    else:
        return
    raise PackInvalid("The pack can't be made", [Problem(name, 0, "name", f"`{name}` {why}", remedy)])


def _manifest(pack: NewPack) -> str:
    fields = {
        "name": pack.name,
        "version": "0.1.0",
        "title": pack.title,
        "description": pack.description,
        "licence": pack.licence,
        "attribution": pack.attribution,
    }
    # A JSON text is a YAML scalar too, whatever quotes and colons it holds.
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items()]
    tail = ["data:", "  train: [data/*.jsonl]", "routing:", "  always: []", "checks:", "  - name: safety"]
    return "\n".join([*lines, *tail]) + "\n"


def _system(pack: NewPack) -> str:
    return (
        f"You are the assistant of {pack.title}. {pack.description}\n"
        "Answer briefly and kindly. When you don't know something, say so and offer a person.\n"
    )


def _readme(pack: NewPack) -> str:
    credits = f"\n{pack.attribution}\n" if pack.attribution else ""
    return f"# {pack.title}\n\n{pack.description}\n\nLicence of the content: {pack.licence}\n{credits}"
