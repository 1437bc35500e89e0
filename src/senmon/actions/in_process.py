"""rasa-sdk actions of a pack's `actions.py`, in this process."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from senmon.actions.pack_modules import find_source, forget, import_source
from senmon.actions.reply import Reply
from senmon.actions.wire import over_the_wire
from senmon.actions.worker_thread import WorkerThreads
from senmon.errors import ActionFailed, ActionRejected, ActionUnknown, PackCodeNotAllowed
from senmon.packs.inventory import take_inventory
from senmon.packs.pack import Pack

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedCode:
    """A pack's module under its unique name, and its actions."""

    digest: str
    module: str
    actions: Mapping[str, Any]


class InProcess:
    """Loads a pack's code once per code digest. The caller has made sure that it may run."""

    def __init__(self) -> None:
        self._loaded: dict[Path, LoadedCode] = {}
        self._lock = threading.Lock()
        self._threads = WorkerThreads()

    async def call(
        self, pack: Pack, name: str, tracker: dict[str, Any], domain: dict[str, Any], timeout: float
    ) -> Reply:
        """Raises ActionUnknown, ActionRejected, ActionFailed. What the action raised is logged."""
        events, responses = await self._threads.call(lambda: self._run(pack, name, tracker, domain, timeout))
        return Reply.of(name, events, responses)

    def _run(
        self, pack: Pack, name: str, tracker: dict[str, Any], domain: dict[str, Any], timeout: float
    ) -> tuple[Any, Any]:
        from rasa_sdk import ActionExecutionRejection, Tracker
        from rasa_sdk.executor import ActionExecutor, CollectingDispatcher

        action = self._code(pack).actions.get(name)
        if action is None:
            raise ActionUnknown(f"The pack `{pack.name}` has no action `{name}`.", remedy=_HOW)
        dispatcher = CollectingDispatcher()
        try:
            events = action.run(dispatcher, Tracker.from_dict(_copy(tracker)), _copy(domain))
            if inspect.isawaitable(events):
                # A loop of its own: an `async` action that blocks can't stall the server.
                events = asyncio.run(_finish(events, dispatcher, timeout))
            valid = ActionExecutor.validate_events(events or [], name)
        except ActionExecutionRejection as error:
            log.warning("action %s of %s refused to run", name, pack.name)
            raise ActionRejected(f"`{name}` refused to run.") from error
        except Exception as error:
            log.exception("action %s of %s", name, pack.label)
            raise ActionFailed(f"`{name}` failed.", remedy="see the server's log") from error
        return over_the_wire(name, valid), over_the_wire(name, dispatcher.messages)

    def _code(self, pack: Pack) -> LoadedCode:
        with self._lock:
            loaded = self._loaded.get(pack.path)
            if loaded is None or loaded.digest != pack.code_digest:
                fresh = load_code(pack)
                if loaded is not None:
                    forget(loaded.module)
                self._loaded[pack.path] = loaded = fresh
            return loaded


_HOW = "define a subclass of rasa_sdk.Action with this name() in the pack's actions.py"


def _copy(value: dict[str, Any]) -> Any:
    """What the wire would do: the action can't reach into the conversation's own values."""
    return json.loads(json.dumps(value))


async def _finish(events: Any, dispatcher: Any, timeout: float) -> Any:
    result = await asyncio.wait_for(events, timeout)
    if dispatcher.is_streaming_active:
        await dispatcher.stream_end()
    return result


def load_code(pack: Pack) -> LoadedCode:
    """Imports `actions.py`, or the package `actions/`, and makes an instance of each action class.

    Raises ActionFailed when the code can't be imported or two actions share a name, ActionUnknown when
    there is no code, PackCodeNotAllowed when it is not the code that the pack was loaded with.
    """
    module = _import(pack)
    found: dict[str, Any] = {}
    for action in _instances(pack, module):
        name = action.name()
        if name in found:
            raise ActionFailed(f"The pack `{pack.name}` defines the action `{name}` twice.")
        found[name] = action
    log.info("loaded %d actions of %s (code %s)", len(found), pack.label, pack.code_digest[:12])
    return LoadedCode(pack.code_digest, module.__name__, found)


def _import(pack: Pack) -> ModuleType:
    path = find_source(pack.path)
    if path is None:
        raise ActionUnknown(f"The pack `{pack.name}` has no actions.py.", remedy=_HOW)
    _unchanged(pack)
    place = hashlib.sha256(str(path).encode("utf-8")).hexdigest()[:8]
    name = f"senmon_pack_{pack.name.replace('-', '_')}_{place}_{pack.code_digest[:12]}"
    try:
        return import_source(name, path)
    except BaseException as error:
        log.exception("importing the code of %s", pack.label)
        raise ActionFailed(f"The code of the pack `{pack.name}` can't be imported.") from error


def _unchanged(pack: Pack) -> None:
    """What was allowed is the code that the pack was loaded with, not what lies there now."""
    files = take_inventory(pack.path)
    if files.digest(files.code()) != pack.code_digest:
        raise PackCodeNotAllowed(
            f"The code of the pack `{pack.name}` changed after the pack was loaded.",
            remedy="load the pack again and allow its new code",
        )


def _instances(pack: Pack, module: ModuleType) -> list[Any]:
    from rasa_sdk import Action

    classes = [
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, Action)
        and not inspect.isabstract(value)
        and not value.__module__.startswith("rasa_sdk")
    ]
    try:
        return [each() for each in dict.fromkeys(classes)]
    except Exception as error:
        raise ActionFailed(f"An action of the pack `{pack.name}` can't be made.") from error
