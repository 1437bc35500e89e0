"""For teachers: `python domains/tutor/tools/teacher.py check` and `… mastery --home .senmon > mastery.csv`.

`check` reads `teacher.yaml` and every list in `problems/` and names each line that the tutor can't use.
`mastery` writes one line for each pupil and skill, from the conversations that the server has kept (SQLite).
A pupil is the signed-in customer of a conversation, else its visitor.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

PACK = Path(__file__).resolve().parents[1]
COLUMNS = ("pupil", "skill", "mastery", "attempts", "right", "hints", "most_frequent_mistake")
_QUERY = """
SELECT c.id, COALESCE(c.customer, c.visitor), e.private
FROM events e JOIN runs r ON e.run = r.id JOIN conversations c ON r.conversation = c.id
WHERE e.private LIKE '%"observed"%' ORDER BY c.created, c.id, r.number, e.seq
"""


def load() -> ModuleType:
    """The pack's actions, under a name of their own."""
    path = PACK / "actions" / "__init__.py"
    spec = importlib.util.spec_from_file_location(
        "tutor_for_teachers", path, submodule_search_locations=[str(path.parent)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


actions = load()
mastery = sys.modules["tutor_for_teachers.mastery"]
classroom = sys.modules["tutor_for_teachers.classroom"]
exercises = actions.exercises


def check(out: TextIO) -> int:
    """The number of faults, each of which is written with its place."""
    faults = [*_settings_faults(), *_list_faults()]
    out.writelines(f"{fault}\n" for fault in faults)
    if not faults:
        out.write(f"teacher.yaml is fine. {len(exercises.exercises())} exercises can be used.\n")
    return len(faults)


def _settings_faults() -> Iterator[str]:
    try:
        if classroom.SETTINGS.exists():
            classroom.read_settings(classroom.SETTINGS.read_text(encoding="utf-8"))
    except (classroom.SettingsError, OSError, UnicodeDecodeError) as error:
        yield str(error)


def _list_faults() -> Iterator[str]:
    for path in sorted((*exercises.FOLDER.glob("*.csv"), *exercises.FOLDER.glob("*.md"))):
        try:
            text = path.read_text(encoding="utf-8-sig")
            for line, problem, topic in exercises.lines_of(path.name, text):
                try:
                    exercises.exercise(problem, topic)
                except actions.TooHardError as reason:
                    yield f"{path.name}:{line}: {problem[:60]!r}: {reason}"
        except exercises.ListError as error:
            yield str(error)
        except UnicodeDecodeError:
            yield f"{path.name}: this is no UTF-8 text; save it as `CSV UTF-8` in your spreadsheet"
        except (OSError, csv.Error) as error:
            yield f"{path.name}: {error}"


def observed(database: Path) -> dict[str, list[Any]]:
    """Pupil → what was seen of them, conversation after conversation. Reads only."""
    last: dict[str, tuple[str, list[Any]]] = {}
    with sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True) as connection:
        for conversation, pupil, private in connection.execute(_QUERY):
            slots = json.loads(private).get("slots") or {}
            last[conversation] = (pupil, mastery.observations(slots.get("observed")))
    pupils: dict[str, list[Any]] = {}
    for pupil, seen in last.values():
        pupils.setdefault(pupil, []).extend(seen)
    return pupils


def export(database: Path, out: TextIO) -> None:
    table = csv.writer(out)
    table.writerow(COLUMNS)
    for pupil, seen in sorted(observed(database).items()):
        for one in mastery.standings(seen):
            counts = (one.attempts, one.right, one.hints)
            table.writerow((_plain(pupil), one.skill, f"{one.mastery:.3f}", *counts, one.mistake))


def _plain(text: str) -> str:
    """A name that a spreadsheet would take for a formula gets a quote."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def main() -> int:
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="check teacher.yaml and the lists in problems/")
    exporting = commands.add_parser("mastery", help="write what the pupils master, as CSV")
    exporting.add_argument("--home", type=Path, default=Path(".senmon"), help="the server's folder (.senmon)")
    given = parser.parse_args()
    if given.command == "check":
        return min(check(sys.stdout), 1)
    database = given.home / "senmon.db"
    if not database.is_file():
        print(f"There is no database {database}. Name the server's folder with --home.", file=sys.stderr)
        return 1
    export(database, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
