"""The data file that an import writes: in a new pack, over its own earlier one, or nowhere (dry run)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from senmon.dataset.call_rules import PackRules
from senmon.errors import DataInvalid, PackInvalid, Problem
from senmon.packs.action_rules import action_problems
from senmon.packs.atomic import new_folder, replaced_file
from senmon.packs.inventory import MAX_BYTES, fits, take_inventory
from senmon.packs.jsonl import read_jsonl
from senmon.packs.loader import load_pack
from senmon.packs.manifest_file import MANIFEST, read_manifest
from senmon.packs.pack import Pack
from senmon.packs.scaffold import NewPack, check_name, write_minimal

#: Room for what is not data: manifest, texts, articles.
_RESERVE = 4 * 1024 * 1024
Furnish = Callable[[Path], None]


@dataclass(slots=True)
class Target:
    """`data/<source>.jsonl` of a pack. `pack` is None when the pack is still to be made."""

    folder: Path
    name: str
    origin: str
    pack: Pack | None
    before: str
    room: int
    written: int = field(default=0)

    @classmethod
    def of(cls, folder: Path, origin: str) -> Target:
        """Raises DataInvalid when the pack would not read the file or somebody else wrote it, PackInvalid
        when the pack is broken or may not have this name."""
        name = f"data/{slug(origin)}.jsonl"
        path = folder / name
        if not (folder / MANIFEST).is_file():
            check_name(folder.name)
            return cls(folder, name, origin, None, _fingerprint(path), MAX_BYTES - _RESERVE)
        pack = load_pack(folder)
        _check(pack, folder, name, origin)
        files = take_inventory(folder).files
        used = sum((folder / file).stat().st_size for file in files if file != name)
        return cls(folder, name, origin, pack, _fingerprint(path), max(0, MAX_BYTES - used))

    @property
    def path(self) -> Path:
        return self.folder / self.name

    def rules(self, licence: str) -> PackRules:
        """The rules by which the pack judges its examples; a new pack has no actions and no articles."""
        return PackRules.of(self.pack) if self.pack else PackRules({}, {}, {}, licence)

    def changed(self) -> bool:
        return _fingerprint(self.path) != self.before

    @contextmanager
    def opened(self, dry_run: bool, new_pack: NewPack, furnish: Furnish | None) -> Iterator[IO[str] | None]:
        """Where the lines go. What is written appears whole when the block succeeds, else not at all."""
        if dry_run:
            yield None
        elif self.pack is not None:
            with replaced_file(self.path) as file:
                yield file
                if furnish:
                    furnish(self.folder)
        else:
            with new_folder(self.folder) as temporary:
                write_minimal(temporary, new_pack)
                with replaced_file(temporary / self.name) as file:
                    yield file
                if furnish:
                    furnish(temporary)
                _check_new(temporary)

    def write(self, sink: IO[str] | None, line: str, path: str, number: int) -> None:
        """Raises DataInvalid when the pack would hold more than packs may."""
        self.written += len(line.encode())
        if self.written > self.room:
            why = f"from here on the pack would hold more than {MAX_BYTES // 1024**2} MB, the most it may"
            remedy = "import the first rows only (--limit), or divide the source among packs"
            raise refusal(self.origin, Problem(path, number, "", why, remedy))
        if sink is not None:
            sink.write(line)


def refusal(source: str, *problems: Problem) -> DataInvalid:
    """The error of an import that did nothing."""
    return DataInvalid(f"{source}: nothing was imported", problems)


def slug(origin: str) -> str:
    """A file name without suffix for what comes from `origin`."""
    stem = re.sub(r"\.[A-Za-z0-9]{1,8}$", "", origin)
    return re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_")[:80] or "imported"


def _check(pack: Pack, folder: Path, name: str, origin: str) -> None:
    """The file must be one that the pack reads, and not somebody else's."""
    patterns, target = pack.manifest.data.train, folder / name
    if not any(fits(name, pattern) for pattern in patterns):
        why = f"{name} fits none of data.train ({', '.join(patterns)})"
        raise refusal(origin, Problem(str(folder / MANIFEST), 0, "data.train", why, "add data/*.jsonl"))
    first = next(read_jsonl(target), None) if target.exists() else None
    if first is not None and (first.record or {}).get("origin") != origin:
        why = f"was not made by an import of {origin}"
        raise refusal(origin, Problem(str(target), 1, "origin", why, "rename one of the two files"))


def _check_new(folder: Path) -> None:
    """What `furnish` added to a new pack must load, else the pack must not appear."""
    files = take_inventory(folder)
    manifest, source = read_manifest(folder)
    problems = (*files.problems, *action_problems(manifest, files, source, str(folder / MANIFEST)))
    if problems:
        raise PackInvalid("The pack can't be made", problems)


def _fingerprint(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
