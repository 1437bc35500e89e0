"""A local folder of data files, looked at before the `datasets` library reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from senmon.dataset.imports.columns_format import parquet_rows
from senmon.dataset.imports.json_items import json_items
from senmon.dataset.imports.source_file import check_file
from senmon.dataset.imports.target import refusal
from senmon.errors import DataInvalid, Problem

#: What is read from a folder. Everything else that holds data is refused by name: archives, pickles, code.
_TEXTS = frozenset({".json", ".jsonl", ".ndjson", ".csv", ".tsv"})
_DATA = _TEXTS | {".parquet", ".arrow"}
_BESIDE = frozenset({"", ".md", ".txt", ".yaml", ".yml", ".gitattributes", ".gitignore", ".lock", ".html"})
_MAX_FILES = 5000
_CARD = 1024 * 1024
_ELSEWHERE = re.compile(r"\.\.[/\\]\S*|\b[a-z0-9+]+://\S*|(?:^|[\s\"'\[,:-])[/~]\S*", re.I)
#: The files of a saved dataset that name others.
_NAMING = frozenset({"dataset_dict.json", "state.json"})


def check_folder(path: Path, origin: str) -> None:
    """Only plain data files inside the folder are read. Raises DataInvalid for anything else."""
    home = path.resolve()
    if path.is_file():
        why = "is a file; `hf` reads a folder or a hub id"
        raise refusal(origin, Problem(str(path), 0, "", why, "use the importer of its format"))
    for count, file in enumerate(path.rglob("*")):
        if count >= _MAX_FILES:
            why = f"holds more than {_MAX_FILES:,} files"
            raise refusal(origin, Problem(str(path), 0, "", why, "name the dataset's own folder"))
        if file == path / "README.md":
            _check_card(file, origin)
        if not file.resolve().is_relative_to(home):
            why = "is a link that leads out of the folder"
            raise refusal(origin, Problem(str(file), 0, "", why, "copy the file instead"))
        hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
        if not file.is_dir() and not hidden:
            _check_file(file, origin)


def first_fault(path: Path) -> Problem | None:
    """The first broken JSON line or Parquet file: the library names neither file nor line."""
    for file in sorted(path.rglob("*")):
        try:
            if file.suffix.lower() in (".json", ".jsonl", ".ndjson"):
                if fault := next((item.problem for item in json_items(file) if item.problem), None):
                    return fault
            elif file.suffix.lower() == ".parquet":
                next(parquet_rows(file, None), None)
        except DataInvalid as error:
            return error.problems[0]
    return None


def _check_file(file: Path, origin: str) -> None:
    suffix = file.suffix.lower()
    if suffix not in _DATA | _BESIDE:
        why = f"is not data that is read here ({', '.join(sorted(_DATA))})"
        raise refusal(origin, Problem(str(file), 0, "", why, "remove it, or convert it"))
    if not file.is_file():
        raise refusal(origin, Problem(str(file), 0, "", "is not a regular file", "remove it from the folder"))
    if suffix in _TEXTS and file.stat().st_size:
        check_file(file)
    elif suffix == ".parquet":
        check_file(file, wanted=b"PAR1")
    if file.name in _NAMING:
        _check_names(file, origin)


def _check_names(file: Path, origin: str) -> None:
    """Splits and data files of a saved dataset are names inside its folder, never ways out of it."""
    try:
        with file.open(encoding="utf-8") as stream:
            names = list(_named(json.loads(stream.read(_CARD))))
    except (ValueError, RecursionError) as error:
        why = "is not the JSON of a saved dataset"
        raise refusal(origin, Problem(str(file), 0, "", why, "save the dataset again")) from error
    for name in names:
        if not isinstance(name, str) or not re.fullmatch(r"\w[\w.-]*", name):
            why = f"names a file elsewhere: {str(name)[:80]}"
            raise refusal(origin, Problem(str(file), 0, "", why, "name files of this folder only"))


def _named(saved: Any) -> Iterator[Any]:
    if not isinstance(saved, dict):
        raise ValueError("no object")
    splits, files = saved.get("splits", []), saved.get("_data_files", [])
    if not isinstance(splits, list) or not isinstance(files, list):
        raise ValueError("no lists")
    yield from splits
    for entry in files:
        yield entry.get("filename") if isinstance(entry, dict) else entry


def _check_card(card: Path, origin: str) -> None:
    """The card's front matter may name data files: only those beside it are read."""
    with card.open("rb") as file:
        head = file.read(_CARD).decode("utf-8", "replace")
    front = head.split("\n---", 1)[0] if head.startswith("---") else ""
    for number, line in enumerate(front.splitlines(), 1):
        if "license" not in line and (found := _ELSEWHERE.search(line)):
            why = f"names files elsewhere: {found[0].strip()}"
            raise refusal(
                origin, Problem(str(card), number, "configs", why, "name files of this folder only")
            )
