"""What the teacher sets: `teacher.yaml` beside this package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

SETTINGS = Path(__file__).parents[1] / "teacher.yaml"
#: A pupil who signs in as `7a/anna` belongs to the class `7a`.
OF_CLASS = "/"
#: Who signed in with a class code and a nickname is `class:7a/anna`.
BY_CODE = "class:"


class SettingsError(Exception):
    """`teacher.yaml` can't be used. The text names the place and the remedy."""


@dataclass(frozen=True)
class Budget:
    """`hints`: cries for help before the answer may be told, at least; `most_hints`: at most."""

    hints: int = 4
    most_hints: int = 30
    tell_answer: bool = True


def budget_of(pupil: str | None) -> Budget:
    """The budget of the signed-in pupil's class, or the default."""
    default, classes = _settings(_stamp())
    name, mark, _ = (pupil or "").removeprefix(BY_CODE).partition(OF_CLASS)
    return classes.get(name, default) if mark else default


def _stamp() -> int:
    try:
        return SETTINGS.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


@lru_cache(maxsize=1)
def _settings(stamp: int) -> tuple[Budget, Mapping[str, Budget]]:
    """A changed file is read again."""
    return read_settings(SETTINGS.read_text(encoding="utf-8")) if stamp else (Budget(), {})


def read_settings(text: str) -> tuple[Budget, Mapping[str, Budget]]:
    """The default and each class's budget. Raises SettingsError."""
    try:
        found = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise SettingsError(f"teacher.yaml is no YAML: {error}") from None
    if not isinstance(found, dict) or set(found) - {"default", "classes"}:
        raise SettingsError("teacher.yaml: write `default:` and `classes:`, nothing else")
    default = _budget("default", found.get("default") or {}, Budget())
    classes = found.get("classes") or {}
    if not isinstance(classes, dict):
        raise SettingsError("teacher.yaml: `classes` maps a class's name to its settings")
    return default, {
        str(name): _budget(f"classes.{name}", one or {}, default) for name, one in classes.items()
    }


def _budget(place: str, given: Any, base: Budget) -> Budget:
    known = {"hints": base.hints, "most_hints": base.most_hints, "tell_answer": base.tell_answer}
    if not isinstance(given, dict) or set(given) - set(known):
        raise SettingsError(f"teacher.yaml: `{place}` may set {', '.join(known)}")
    values = {**known, **given}
    for name in ("hints", "most_hints"):
        if type(values[name]) is not int or not 1 <= values[name] <= 30:
            raise SettingsError(f"teacher.yaml: `{place}.{name}` is a whole number from 1 to 30")
    if type(values["tell_answer"]) is not bool:
        raise SettingsError(f"teacher.yaml: `{place}.tell_answer` is true or false")
    if values["hints"] > values["most_hints"]:
        raise SettingsError(f"teacher.yaml: `{place}.hints` is more than `{place}.most_hints`")
    return Budget(**values)
