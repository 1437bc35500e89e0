"""A plan becomes part of the pack: two files, each replaced in one step, or none when it would break."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from senmon.dataset.loading import load_dataset
from senmon.errors import ConfigError, DataInvalid, PackError, Problem
from senmon.evaluation.suite import load_suites
from senmon.improvement.outdated import Outdated
from senmon.improvement.screening import DATA, SUITE, Plan
from senmon.packs.atomic import locked_folder, replaced_file
from senmon.packs.inventory import fits
from senmon.packs.jsonl import parse_object
from senmon.packs.loader import load_pack
from senmon.packs.manifest_file import MANIFEST
from senmon.packs.pack import Pack

#: Lines of the pack's data that reviewers' corrections made untrue. No pattern of data reads this folder.
RETIRED = "review/retired.jsonl"


def take(pack: Pack, plan: Plan) -> Pack:
    """Write the plan into the pack; the pack as it is then. Twice is once.

    Raises DataInvalid when the pack would not read the files, or would not load with them: then it is as it
    was. ConfigError when the folder can't be written.
    """
    check_patterns(pack, plan)
    with locked_folder(pack.path):
        retired = _without(pack, plan)
        before = {name: _content(pack.path / name) for name in (SUITE, DATA, RETIRED, *retired)}
        try:
            # The exam first: a process that dies between the two has asked something that it did not learn.
            _write(pack.path / SUITE, plan.suite)
            _write(pack.path / DATA, plan.data)
            # Kept before it goes: a process that dies between has the line twice, never lost.
            kept = (before[RETIRED] or "").splitlines()
            gone = [line for _, lines in retired.values() for line in lines]
            _write(pack.path / RETIRED, [*kept, *(line for line in gone if line not in kept)])
            for name, (left, _) in retired.items():
                _write(pack.path / name, left)
            after = load_pack(pack.path)
            load_dataset(after)
            load_suites(after)
        except (DataInvalid, PackError):
            for name, content in before.items():
                _restore(pack.path / name, content)
            raise
        except OSError as error:
            raise ConfigError(
                f"{pack.path}: can't be written ({error.strerror or error})",
                remedy="copy the pack to a folder of yours, and name that in SENMON_PACKS",
            ) from error
    return after


def _without(pack: Pack, plan: Plan) -> dict[str, tuple[list[str], list[str]]]:
    """File → its lines without the retired ones, and those. Raises DataInvalid when one is gone."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    for path in dict.fromkeys(one.path for one in plan.retired):
        wanted = [one for one in plan.retired if one.path == path]
        numbers = {one.number for one in wanted}
        lines = (pack.path / path).read_text(encoding="utf-8-sig").split("\n")
        if not all(one.number <= len(lines) and _teaches(lines[one.number - 1], one) for one in wanted):
            changed = Problem(path, max(numbers), "", "was changed meanwhile", "start the improvement again")
            raise DataInvalid("What is outdated can't be found", [changed])
        left = [line for at, line in enumerate(lines, 1) if at not in numbers and line.strip()]
        found[path] = (left, [lines[number - 1].rstrip("\r") for number in sorted(numbers)])
    return found


def _teaches(line: str, one: Outdated) -> bool:
    """Whether it is still the line that the plan speaks of."""
    try:
        record = parse_object(line)
        return bool(record.get("intent") == one.intent and record["messages"][-1].get("content") == one.reply)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return False


def check_patterns(pack: Pack, plan: Plan) -> None:
    """Raises DataInvalid when the manifest would pass over what is about to be written."""
    manifest = pack.manifest
    wanted = (
        (DATA, plan.data, manifest.data.train, "data.train", "data/*.jsonl"),
        (SUITE, plan.suite, manifest.evaluation.suites, "evaluation.suites", "eval/*.jsonl"),
    )
    problems = [
        Problem(str(pack.path / MANIFEST), 0, field, f"{name} fits none of {field}", f"add {pattern}")
        for name, lines, patterns, field, pattern in wanted
        if lines and not any(fits(name, one) for one in patterns)
    ]
    if problems:
        raise DataInvalid("The pack would not read what was reviewed", problems)


def _write(path: Path, lines: Sequence[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    if text == (_content(path) or ""):
        return
    if not lines:
        path.unlink(missing_ok=True)
        return
    with replaced_file(path) as file:
        file.write(text)


def _content(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _restore(path: Path, content: str | None) -> None:
    if content is None:
        path.unlink(missing_ok=True)
    elif _content(path) != content:
        with replaced_file(path) as file:
            file.write(content)
