"""Reading `pack.yaml`: text → manifest, or every problem with its line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from senmon.errors import Problem
from senmon.packs.action_rules import action_problems
from senmon.packs.inventory import Inventory, escape_reason
from senmon.packs.manifest import RESERVED_NAMES, PackManifest
from senmon.packs.model_problems import model_problems
from senmon.packs.text_file import invalid, read_text
from senmon.packs.yaml_text import Place, YamlText, dotted, parse_yaml

MANIFEST = "pack.yaml"


def read_manifest(folder: Path) -> tuple[PackManifest, YamlText]:
    """Raises PackInvalid with every syntax, field and type problem."""
    path = folder / MANIFEST
    source = parse_yaml(read_text(path), str(path))
    try:
        return PackManifest.model_validate(source.value if source.value is not None else {}), source
    except ValidationError as error:
        raise invalid(*model_problems(PackManifest, error, source, str(path))) from error


def manifest_problems(
    manifest: PackManifest, source: YamlText, folder: Path, files: Inventory
) -> Iterator[Problem]:
    """What a well-typed manifest may still get wrong: its name, its paths and globs, its actions."""
    path = str(folder / MANIFEST)
    yield from _name_problems(manifest, source, folder)
    for place, pattern, needed in _patterns(manifest):
        fault = _pattern_fault(pattern, needed, files)
        if fault:
            yield Problem(path, source.line(place), dotted(place), *fault)
    yield from _overlaps(manifest, source, files, path)
    yield from action_problems(manifest, files, source, path)


def _name_problems(manifest: PackManifest, source: YamlText, folder: Path) -> Iterator[Problem]:
    path, line = str(folder / MANIFEST), source.line(("name",))
    actual = os.path.basename(os.path.abspath(folder))  # noqa: PTH100, PTH119 (resolve() would follow a link)
    if manifest.name in RESERVED_NAMES:
        yield Problem(path, line, "name", f"`{manifest.name}` is a reserved name", "choose another name")
    elif manifest.name != actual:
        why = f"name `{manifest.name}` differs from the folder's name `{actual}`"
        yield Problem(path, line, "name", why, f"rename the folder to `{manifest.name}`, or change the name")


def _patterns(manifest: PackManifest) -> Iterator[tuple[Place, str, bool]]:
    """Place, path or glob, and whether a file must be there."""
    given = manifest.model_fields_set
    yield ("system",), manifest.system, True
    for index, pattern in enumerate(manifest.data.train):
        yield ("data", "train", index), pattern, True
    yield ("knowledge",), manifest.knowledge, "knowledge" in given
    explicit = "suites" in manifest.evaluation.model_fields_set
    for index, pattern in enumerate(manifest.evaluation.suites):
        yield ("evaluation", "suites", index), pattern, explicit
    if manifest.routing.negatives:
        yield ("routing", "negatives"), manifest.routing.negatives, True
    if manifest.routing.examples:
        yield ("routing", "examples"), manifest.routing.examples, True


def _pattern_fault(pattern: str, needed: bool, files: Inventory) -> tuple[str, str] | None:
    if reason := escape_reason(pattern):
        return f"`{pattern}` {reason}", "name a file inside the pack's folder, such as data/*.jsonl"
    if needed and not files.match(pattern):
        return f"no file fits `{pattern}`", f"add the file under {files.root.name}/, or correct the pattern"
    return None


def _overlaps(manifest: PackManifest, source: YamlText, files: Inventory, path: str) -> Iterator[Problem]:
    trained = {name for pattern in manifest.data.train for name in files.match(pattern)}
    tested = {name for pattern in manifest.evaluation.suites for name in files.match(pattern)}
    for name in sorted(trained & tested):
        why = f"{name} is both training data and an evaluation suite"
        yield Problem(path, source.line(("data", "train")), "data.train", why, "keep the two apart")
