"""Server processes that share a database and Redis: `cluster_server.py FOLDER DATABASE REDIS LEASES`.

LEASES are the seconds of each server's, with commas. Imports once and forks; prints `PID URL LEASE` of each.
The assistant is the real one over the scripted engine.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from senmon.actions.runner import ActionRunner
from senmon.assistant import Assistant, Catalog, ServedPack
from senmon.engines.protocol import GenerateRequest
from senmon.engines.scripted import ScriptedEngine
from senmon.knowledge import Knowledge
from senmon.messages import CONTEXT, ToolCall
from senmon.packs.loader import load_pack
from senmon.rendering import prefix_message
from senmon.server.app import create_app
from senmon.server.serve import bind, make_server
from senmon.settings import Settings
from senmon.store.store import Store
from server_rig import FakeWorkspace
from tiny import MANIFEST, write_pack

SENTENCES = 40
ACTIONS = """
import os, time
from pathlib import Path
from rasa_sdk import Action


class OrderStatus(Action):
    def name(self):
        return "order_status"

    def run(self, dispatcher, tracker, domain):
        with open(Path(__file__).with_name("done.txt"), "a") as file:
            file.write(f"{os.getpid()}\\n")
        if tracker.get_slot("order_id") == "A1002":
            time.sleep(60)
        dispatcher.utter_message(json_message={"order": {"id": "A1001", "eta": "Friday"}})
        return []
"""


def script(request: GenerateRequest) -> Any:
    said = [message for message in request.messages if message.name != CONTEXT]
    text = next(message.content for message in reversed(said) if message.role == "user")
    if text.startswith("order ") and said[-1].role == "user":
        return ToolCall("call_1", "order_status", {"order_id": text.split()[1]})
    return " ".join(f"This is number {number}." for number in range(SENTENCES))


class ClusterWorkspace(FakeWorkspace):
    async def start(self) -> None:
        self.store = await Store.open(str(self.settings.database_url), lease=self.settings.lease)


def shop(folder: Path) -> ServedPack:
    spec = {key: value for key, value in MANIFEST["actions"]["specs"][0].items() if key != "identity"}
    written = write_pack(folder / "shop", actions={"specs": [spec]}, checks=[])
    (written / "actions.py").write_text(ACTIONS)
    pack = load_pack(written)
    knowledge = Knowledge(pack.articles, None)
    return ServedPack(pack=pack, prefix=prefix_message(pack), knowledge=knowledge, checks=())


def workspace_of(
    served: ServedPack, folder: Path, database: str, redis: str, lease: float
) -> ClusterWorkspace:
    settings = Settings(
        home=folder / "home",
        database_url=database,
        redis_url=SecretStr(redis),
        lease_seconds=lease,
        webhooks_private=True,
        rate_limit_per_minute=30,
        rate_limit_per_address=0,
    )
    catalog = Catalog(packs={"shop": served}, router=None)
    made = ClusterWorkspace(settings, catalog)  # type: ignore[arg-type]
    engine = ScriptedEngine(script, delay=0.012)
    made.assistant = Assistant(engine, ActionRunner(lambda pack: True), lambda: catalog)  # type: ignore[assignment]
    return made


async def serve_one(workspace: ClusterWorkspace) -> None:
    listener = bind("127.0.0.1", 0)
    lease = workspace.settings.lease_seconds
    server = make_server(create_app(workspace), lambda url: print(os.getpid(), url, lease, flush=True))
    await server.serve(sockets=[listener])


def main(folder: str, database: str, redis: str, leases: str) -> None:
    served = shop(Path(folder))
    for lease in leases.split(","):
        if os.fork() == 0:
            try:
                workspace = workspace_of(served, Path(folder), database, redis, float(lease))
                asyncio.run(serve_one(workspace))
            finally:
                os._exit(0)
    while os.getppid() != 1:  # the tests end this process group
        time.sleep(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
