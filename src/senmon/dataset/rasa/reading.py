"""A bot's folder → `Bot`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from senmon.dataset.rasa.bot import Bot, Place
from senmon.dataset.rasa.bot_files import MAX_FILE_BYTES, BotFile, bot_files
from senmon.dataset.rasa.domain_file import KEYS, read_domain
from senmon.dataset.rasa.markdown_files import (
    markdown_kind,
    read_nlu_markdown,
    read_responses_markdown,
    read_stories_markdown,
)
from senmon.dataset.rasa.nlu_yaml import read_nlu
from senmon.dataset.rasa.settings_files import CONFIG_KEYS, ENDPOINT_KEYS, read_config, read_endpoints
from senmon.dataset.rasa.story_yaml import read_stories
from senmon.dataset.rasa.yaml_part import Part
from senmon.errors import DataInvalid, PackInvalid, Problem
from senmon.packs.text_file import read_text
from senmon.packs.yaml_text import parse_yaml

_MOST_VALUES = 10_000
_TRAINING = ("nlu", "stories", "rules")
_NOT_READ = {
    "flows": "flows are not read: only NLU, stories and rules",
    "e2e_test": "tests of flows are not read",
    "test_cases": "tests of flows are not read",
}


def read_bot(root: Path) -> Bot:
    """The bot in the folder `root`.

    Raises DataInvalid with every problem: files outside the folder, too large, not UTF-8, broken or hostile
    YAML (aliases, tags, duplicate keys, deep nesting), broken annotations, wrong types; or nothing that is
    a Rasa bot.
    """
    bot = Bot()
    files = bot_files(root)
    for file in files:
        suffix = PurePosixPath(file.name).suffix.lower()
        if suffix in (".yml", ".yaml"):
            _read_yaml(bot, file)
        elif suffix == ".md" and not PurePosixPath(file.name).name.lower().startswith("readme"):
            _read_markdown(bot, file)
    _read_lookup_files(bot, {file.name: file for file in files})
    _check(bot, root)
    return bot


def _check(bot: Bot, root: Path) -> None:
    if not bot.problems and not bot.examples:
        why = "has no NLU examples" if bot.files else "has no Rasa training data"
        remedy = "give the folder that holds domain.yml and data/ (nlu.yml or nlu.md)"
        bot.problems.append(Problem(str(root), 0, "", why, remedy))
    if bot.problems:
        count = len(bot.problems)
        subject = f"{root.name}: nothing was imported; {count} problem{'s' if count != 1 else ''}"
        raise DataInvalid(subject, bot.problems[:200])


def _text(bot: Bot, file: BotFile) -> str | None:
    try:
        return read_text(file.path, limit=MAX_FILE_BYTES)
    except PackInvalid as error:
        bot.problems += [_moved(problem, file) for problem in error.problems]
        return None


def _moved(problem: Problem, file: BotFile) -> Problem:
    return Problem(file.name, problem.line, problem.field, problem.why, problem.remedy)


def _read_yaml(bot: Bot, file: BotFile) -> None:
    text = _text(bot, file)
    if text is None:
        return
    try:
        source = parse_yaml(text, file.name, limit=MAX_FILE_BYTES)
    except PackInvalid as error:
        bot.problems += error.problems
        return
    except RecursionError:
        bot.fault(Place(file.name), "", "is nested too deep", "write it flatter")
        return
    if source.value is None:
        return
    part = Part.whole(bot, file.name, source)
    if not isinstance(source.value, Mapping):
        part.note("file", file.name, "is not a Rasa file", "only mappings of `nlu:`, `intents:` … are read")
        return
    _dispatch(part)


def _dispatch(part: Part) -> None:
    keys, bot = set(part.value), part.bot
    name = PurePosixPath(part.file).name
    if not keys & (KEYS - {"version", "config"} | set(_TRAINING) | set(_NOT_READ)):
        if keys & CONFIG_KEYS:
            bot.files.append(part.file)
            read_config(part)
        elif keys & ENDPOINT_KEYS:
            bot.files.append(part.file)
            read_endpoints(part)
        else:
            part.note("file", part.file, "holds nothing that Rasa trains on", "copy what it says by hand")
        return
    if keys & ENDPOINT_KEYS and "endpoint" in name:
        bot.files.append(part.file)
        read_endpoints(part)
        return
    bot.files.append(part.file)
    _read_training(part)


def _read_training(part: Part) -> None:
    tests = is_test(part.file)
    read_domain(part)
    if "nlu" in part:
        read_nlu(part.get("nlu"))
    if "stories" in part:
        read_stories(part.get("stories"), "story", tests=tests)
    if "rules" in part:
        read_stories(part.get("rules"), "rule", tests=tests)
    for key in sorted(set(part.value) - KEYS - set(_TRAINING)):
        why = _NOT_READ.get(key, "is not a part that is known here")
        part.get(key).note("file", f"`{key}`", why)


def is_test(name: str) -> bool:
    """Whether stories of this file are tests: they are judged by, not learnt."""
    path = PurePosixPath(name)
    return bool({"tests", "test", "e2e"} & set(path.parts[:-1])) or path.name.startswith(
        ("test_", "conversation_tests", "e2e")
    )


def _read_markdown(bot: Bot, file: BotFile) -> None:
    text = _text(bot, file)
    kind = markdown_kind(text) if text else ""
    if not text or not kind:
        return
    bot.files.append(file.name)
    if kind == "nlu":
        read_nlu_markdown(bot, text, file.name)
    elif kind == "responses":
        read_responses_markdown(bot, text, file.name)
    else:
        read_stories_markdown(bot, text, file.name, tests=is_test(file.name))


def _read_lookup_files(bot: Bot, files: Mapping[str, BotFile]) -> None:
    """Fills in the lookup tables that stand in files of their own."""
    for name, wanted, place in bot.lookup_files:
        bot.lookups.setdefault(name, []).extend(_lookup_values(bot, files, name, wanted, place))
    for name, values in bot.lookups.items():
        bot.lookups[name] = list(dict.fromkeys(values))[:_MOST_VALUES]


def _lookup_values(bot: Bot, files: Mapping[str, BotFile], name: str, wanted: str, place: Place) -> list[str]:
    path = PurePosixPath(wanted)
    beside = PurePosixPath(place.path).parent / path
    file = files.get(path.as_posix()) or files.get(beside.as_posix())
    if file is None:
        bot.note("lookup", place, f"lookup `{name}`", f"its file {wanted[:120]} is not there", "add the file")
        return []
    text = _text(bot, file) or ""
    bot.files.append(file.name)
    return [line.strip() for line in text.split("\n") if line.strip()]
