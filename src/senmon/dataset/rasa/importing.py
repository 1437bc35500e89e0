"""`import_rasa`: a bot's folder becomes a pack, or nothing happens."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from jsonschema import Draft202012Validator

from senmon.dataset.call_rules import PackRules
from senmon.dataset.importing import ImportReport, Writing, import_stream
from senmon.dataset.loading import load_dataset
from senmon.dataset.rasa.bot import Bot, Note
from senmon.dataset.rasa.bot_files import BotFile, bot_files
from senmon.dataset.rasa.pack_plan import Choices, Plan, make_plan
from senmon.dataset.rasa.pack_writing import (
    DEFAULT_SERVER,
    Runtime,
    import_record,
    responses,
    system_text,
    write_pack_files,
)
from senmon.dataset.rasa.prompt_room import ROOM, Count, estimated_tokens
from senmon.dataset.rasa.python_code import carried_code
from senmon.dataset.rasa.reading import read_bot
from senmon.errors import ConfigError, PackExists, PackInvalid, Problem, ProblemsError
from senmon.packs.atomic import locked_folder, replaced_folder
from senmon.packs.inventory import take_inventory
from senmon.packs.loader import load_pack
from senmon.packs.manifest import ActionSpec
from senmon.packs.manifest_file import MANIFEST
from senmon.packs.pack import Pack
from senmon.packs.scaffold import NewPack, check_name

#: Hidden, so that it is no part of the pack: whose import this is, and how the pack was left.
RECORD = ".rasa-import.json"
Verify = Callable[[Pack], Sequence[Problem]]


@dataclass(frozen=True, slots=True)
class RasaOptions:
    """`action_server`: where the bot's actions run; it wins over endpoints.yml and over the bot's Python."""

    choices: Choices = field(default_factory=Choices)
    action_server: str = ""
    skip_broken: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class RasaReport:
    """What was read (`source` counts), what was made of it (`pack` counts), what stayed behind (`notes`)."""

    target: Path
    created: bool
    changed: bool
    dry_run: bool
    source: Mapping[str, int]
    pack: Mapping[str, int]
    notes: tuple[Note, ...]
    refused: tuple[Problem, ...]
    runtime: str


def import_rasa(
    source: Path,
    folder: Path,
    options: RasaOptions = RasaOptions(),
    new_pack: NewPack | None = None,
    verify: Verify | None = None,
    count: Count = estimated_tokens,
) -> RasaReport:
    """Makes the pack `folder` from the Rasa bot in the folder `source`.

    A pack that an earlier import of this bot made, and nobody changed since, is replaced; `verify` says what
    is wrong with the new pack before it appears; `count` counts a text's tokens, so that the declared
    actions fit the static prompt. Deterministic for equal files and `options`.

    Raises DataInvalid with every problem of the bot's files, PackExists for a pack of somebody else's,
    PackInvalid when the pack can't be made. Nothing is written then.
    """
    check_name(folder.name)
    source = source.resolve()
    before = _earlier(folder, source.name)
    bot = read_bot(source)
    new = new_pack or NewPack.of(folder.name)
    plan = make_plan(bot, options.choices, ROOM - count(system_text(new, True)), count)
    responses(bot)
    runtime = _runtime(bot, plan, bot_files(source), options.action_server)
    with tempfile.TemporaryDirectory(prefix="senmon-rasa-") as temporary:
        stage = Path(temporary) / folder.name
        counts = source_counts(bot)
        record = import_record(counts, plan.notes, source.name)
        data = _write(stage, plan, new, runtime, record, options, source.name)
        digest = _verified(stage, folder, verify)
        if not options.dry_run and digest != before:
            _settle(stage, folder, {"source": source.name, "digest": digest})
    return RasaReport(
        target=folder,
        created=not before and not options.dry_run,
        changed=not options.dry_run and digest != before,
        dry_run=options.dry_run,
        source=counts,
        pack=_pack_counts(plan, data),
        notes=plan.notes,
        refused=data.refused,
        runtime="none" if not plan.specs else "in_process" if runtime.code else runtime.url,
    )


def _earlier(folder: Path, source: str) -> str:
    """The digest of the pack that is there; "" when there is none. Raises PackExists when it is not ours."""
    if not folder.exists() and not folder.is_symlink():
        return ""
    why = "was not made by an import of this bot"
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if record["source"] == source:
            why = "was changed since it was imported"
            if (folder / MANIFEST).is_file() and take_inventory(folder).digest() == record["digest"]:
                return str(record["digest"])
    except (OSError, ValueError, KeyError, TypeError, PackInvalid):
        pass
    raise PackExists(
        f"{folder} is there already and {why}", remedy="import under another name, or move it away"
    )


def _runtime(bot: Bot, plan: Plan, files: Sequence[BotFile], given: str) -> Runtime:
    if given and not given.startswith(("http://", "https://")):
        raise ConfigError(f"{given!r} is no address", remedy=f"give --action-server {DEFAULT_SERVER}")
    code = carried_code(bot, files) if plan.specs and not given else {}
    return Runtime(given or bot.action_url or DEFAULT_SERVER, code)


def _write(
    stage: Path, plan: Plan, new: NewPack, runtime: Runtime, record: str, options: RasaOptions, origin: str
) -> ImportReport:
    writing = Writing(
        skip_broken=options.skip_broken,
        new_pack=new,
        rules=_rules(plan.specs, new.licence),
        furnish=lambda folder: write_pack_files(folder, plan, new, runtime, record),
    )
    return import_stream(iter(plan.conversations), stage, origin, writing)


def _rules(specs: Sequence[ActionSpec], licence: str) -> PackRules:
    return PackRules(
        actions={spec.name: spec for spec in specs},
        validators={spec.name: Draft202012Validator(spec.parameters) for spec in specs},
        passages={},
        licence=licence,
    )


def _verified(stage: Path, folder: Path, verify: Verify | None) -> str:
    """The digest of a pack that loads, its data too. Raises PackInvalid, with the places it will have."""
    try:
        pack = load_pack(stage)
        load_dataset(pack)
        problems = list(verify(pack)) if verify else []
    except ProblemsError as error:
        problems = list(error.problems)
    if problems:
        told = [replace(one, path=one.path.replace(str(stage.resolve()), str(folder))) for one in problems]
        raise PackInvalid(f"{folder.name}: nothing was imported; the pack would not be right", told)
    return pack.digest


def _settle(stage: Path, folder: Path, record: Mapping[str, str]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    (stage / RECORD).write_text(json.dumps(record), encoding="utf-8")
    with locked_folder(folder.parent), replaced_folder(folder) as fresh:
        for old in list(fresh.iterdir()):
            shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
        shutil.copytree(stage, fresh, dirs_exist_ok=True)


def source_counts(bot: Bot) -> dict[str, int]:
    """What the bot's files hold."""
    stories = [story.kind for story in bot.stories]
    return {
        "files": len(bot.files),
        "intents": len(bot.intents) or len({example.intent for example in bot.examples}),
        "NLU examples": len(bot.examples),
        "synonyms": len(bot.synonyms),
        "regexes": sum(map(len, bot.regexes.values())),
        "lookup values": sum(map(len, bot.lookups.values())),
        "entities": len(bot.entities),
        "slots": len(bot.slots),
        "forms": len(bot.forms),
        "responses": len(bot.responses),
        "actions": len([name for name in bot.actions if name not in bot.responses]),
        "stories": stories.count("story"),
        "rules": stories.count("rule"),
        "test stories": stories.count("test"),
    }


def _pack_counts(plan: Plan, data: ImportReport) -> dict[str, int]:
    return {
        "conversations": data.taken,
        "one-turn examples": plan.made["one-turn examples"],
        "repetitions left out": plan.made["repetitions left out"],
        "dialogues": plan.made["dialogues"],
        "cut short": plan.made["cut short"],
        "with invented values": plan.made["dialogues with invented values"],
        "intents with a reply": data.intents,
        "requests for the router alone": len(plan.requests),
        "negatives": len(plan.negatives),
        "declared actions": len(plan.specs),
        "responses": len(plan.bot.responses),
        "suite items": len(plan.suite),
    }
