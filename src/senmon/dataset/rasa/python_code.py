"""The bot's actions in Python: carried along when they stand alone, else left on an action server."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from senmon.dataset.rasa.bot import Bot, Place
from senmon.dataset.rasa.bot_files import BotFile
from senmon.errors import PackInvalid
from senmon.packs.text_file import read_text


def carried_code(bot: Bot, files: Sequence[BotFile]) -> Mapping[str, str]:
    """Path in the pack → source: `actions.py`, or the modules of the package `actions/`. Empty: not carried.

    Nothing is run. A package that imports itself by its absolute name (`from actions.x import …`) or holds
    packages of its own would not be found inside a pack, so it stays on its server.
    """
    names = {file.name: file for file in files if file.name.endswith(".py")}
    package = {name: file for name, file in names.items() if name.startswith("actions/")}
    alone = names.get("actions.py")
    chosen = {"actions.py": alone} if alone else package
    if not chosen:
        return {}
    texts = {name: text for name, file in chosen.items() if (text := _read(file)) is not None}
    place = Place(min(chosen))
    if len(texts) < len(chosen) or (not alone and "actions/__init__.py" not in texts):
        bot.note("code", place, "the actions' Python", "is no package that can be read whole", _SERVER)
        return {}
    deep = [name for name in texts if name.count("/") > 1]
    if deep or any(_imports_itself(text) for text in texts.values()):
        bot.note("code", place, "the actions' Python", "imports `actions…` by its absolute name", _SERVER)
        return {}
    if not alone and len(texts) > 1 and not texts["actions/__init__.py"].strip():
        modules = sorted(name[8:-3] for name in texts if name != "actions/__init__.py")
        lines = "".join(f"from .{module} import *  # noqa: F403\n" for module in modules)
        texts["actions/__init__.py"] = lines
    return texts


_SERVER = "run it as an action server: python -m rasa_sdk --actions actions"


def _read(file: BotFile) -> str | None:
    try:
        text = read_text(file.path)
        ast.parse(text)
    except (PackInvalid, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return text


def _imports_itself(text: str) -> bool:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import) and any(
            alias.name.split(".")[0] == "actions" for alias in node.names
        ):
            return True
        if (
            isinstance(node, ast.ImportFrom)
            and not node.level
            and (node.module or "").split(".")[0] == "actions"
        ):
            return True
    return False
