"""The server of `senmon bench overhead`, in a process of its own: everything real but the engine.

Prints `{"address", "seconds"}` once it answers, then a line of figures for each line that it reads.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from senmon.engines.scripted import ScriptedEngine
from senmon.server.app import create_app
from senmon.server.serve import bind, make_server
from senmon.settings import Settings
from senmon.workspace import Workspace

REPLY = (
    "Thank you for your message. I looked at what you wrote and here is how it goes on. "
    "Please tell me when something else is unclear. We are glad to help you with it."
)


class Bench(Workspace):
    """A workspace whose engine says the same to everybody."""

    def _make_engine(self) -> Any:
        return ScriptedEngine({"*": REPLY}, base_digest=self.base.digest)


def main(home: Path, packs: tuple[Path, ...]) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported, which reads it once
    settings = Settings(home=home, packs=packs, port=0, rate_limit_per_minute=0)
    workspace = Bench(settings)
    embedding = _count_embedding(workspace)
    listener = bind("127.0.0.1", 0)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"

    def ready(_: str) -> None:
        _say({"address": address})
        threading.Thread(target=_answer, args=(embedding,), daemon=True).start()

    server = make_server(create_app(workspace), ready)
    try:
        asyncio.run(server.serve(sockets=[listener]))
    finally:
        listener.close()


def _count_embedding(workspace: Workspace) -> list[float]:
    """Seconds of CPU that the encoder took, summed in the one element."""
    spent, lock = [0.0], threading.Lock()
    encoder = workspace.encoder
    if encoder is None:
        return spent
    encode: Callable[[Any], Any] = encoder._encode

    def counted(texts: Any) -> Any:
        start = time.thread_time()
        try:
            return encode(texts)
        finally:
            with lock:
                spent[0] += time.thread_time() - start

    setattr(encoder, "_encode", counted)  # noqa: B010 — a method of somebody else's object
    return spent


def _answer(embedding: list[float]) -> None:
    for _ in sys.stdin:
        _say({"cpu": time.process_time(), "embedding": embedding[0]})


def _say(data: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(data) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), tuple(map(Path, sys.argv[2:])))
