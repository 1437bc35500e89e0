"""A model server that answers like vLLM 0.32 where adapters are concerned: same paths, codes and words.

`test_real_vllm.py` asks a real one the same questions. It lives in the test's own event loop, can be killed
in the middle of an answer and started again on its port, without its adapters.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Json = dict[str, Any]
Answer = tuple[int, Json | str]


def not_found(message: str) -> Answer:
    return 404, {"error": {"message": message, "type": "NotFoundError", "param": None, "code": 404}}


class FakeVllm:
    """`words` are written one chunk each, `gap` seconds apart."""

    def __init__(
        self,
        *,
        base: str = "embedded",
        root: str = "/models/base",
        context: int = 2048,
        updating: bool = True,
    ) -> None:
        self.base, self.root, self.context, self.updating = base, root, context, updating
        self.loras: dict[str, str] = {}
        self.resolver: Path | None = None
        self.words: tuple[str, ...] = ("one ", "two ", "three")
        self.gap = 0.0
        #: Completions that were asked, loads and unloads, in order.
        self.asked: list[Json] = []
        self.changes: list[tuple[str, str]] = []
        self.running: dict[str, int] = {}
        self.finish = "stop"
        self.cut_after: int | None = None
        self.refuse: Answer | None = None
        self.answers_as = ""
        self.tokenize: Callable[[str], list[int]] = lambda text: []
        self.script: Callable[[Json], tuple[list[Json], Json]] | None = None
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self.url

    async def kill(self) -> None:
        """Connections are cut, adapters are gone."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()
        self.loras.clear()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while head := await reader.readline():
                method, path, _ = head.decode().split(" ")
                size = 0
                while (line := await reader.readline()).strip():
                    name, _, value = line.decode().partition(":")
                    size = int(value) if name.lower() == "content-length" else size
                body = json.loads(await reader.readexactly(size)) if size else {}
                await self._route(writer, method, path, body)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _route(self, writer: asyncio.StreamWriter, method: str, path: str, body: Json) -> None:
        if path in ("/v1/completions", "/v1/chat/completions"):
            await self._complete(writer, body)
            return
        routes: dict[str, Callable[[Json], Answer]] = {
            "/health": lambda _: (200, ""),
            "/v1/models": lambda _: (200, self._models()),
            "/tokenize": lambda asked: (200, {"tokens": self.tokenize(asked["prompt"])}),
        }
        if self.updating:
            routes |= {"/v1/load_lora_adapter": self._load, "/v1/unload_lora_adapter": self._unload}
        answer = routes[path](body) if path in routes else (404, {"detail": "Not Found"})
        await self._send(writer, *answer)

    async def _send(self, writer: asyncio.StreamWriter, status: int, content: Json | str) -> None:
        text = content if isinstance(content, str) else json.dumps(content)
        data = text.encode()
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data)
        await writer.drain()

    def _models(self) -> Json:
        base = {"id": self.base, "root": self.root, "parent": None, "max_model_len": self.context}
        rest = [{"id": name, "root": path, "parent": self.base} for name, path in self.loras.items()]
        return {"object": "list", "data": [base, *rest]}

    def _load(self, body: Json) -> Answer:
        name, path = body["lora_name"], Path(body["lora_path"])
        self.changes.append(("load", name))
        if name in self.loras:
            words = f"The lora adapter '{name}' has already been loaded."
            return 400, {"error": {"message": words, "type": "InvalidUserInput", "code": 400}}
        if not (path / "adapter_config.json").is_file():
            return not_found(f"Loading lora {name} failed: No adapter found for {path}")
        if (rank := json.loads((path / "adapter_config.json").read_text())["r"]) > 16:
            words = f"LoRA rank {rank} is greater than max_lora_rank 16."
            return 500, {"error": {"message": words, "type": "InternalServerError", "code": 500}}
        self.loras[name] = str(path)
        return 200, f"Success: LoRA adapter '{name}' added successfully."

    def _unload(self, body: Json) -> Answer:
        name = body["lora_name"]
        self.changes.append(("unload", name))
        # Real vLLM would let running answers end; a test wants to know of it.
        assert not self.running.get(name), f"{name} was unloaded under {self.running[name]} answers"
        if self.loras.pop(name, None) is None:
            return not_found(f"The lora adapter '{name}' cannot be found.")
        return 200, f"Success: LoRA adapter '{name}' removed successfully."

    def _resolve(self, name: str) -> None:
        config = self.resolver / name / "adapter_config.json" if self.resolver else Path("/nowhere")
        if config.is_file():
            found = json.loads(config.read_text())
            if found["peft_type"] == "LORA" and found["base_model_name_or_path"] == self.root:
                self.loras[name] = str(config.parent)

    async def _complete(self, writer: asyncio.StreamWriter, body: Json) -> None:
        model = body["model"]
        if model not in (*self.loras, self.base):
            self._resolve(model)
        if self.refuse is not None:
            await self._send(writer, *self.refuse)
        elif model not in (*self.loras, self.base):
            await self._send(writer, *not_found(f"The model `{model}` does not exist."))
        else:
            self.asked.append(body)
            self.running[model] = self.running.get(model, 0) + 1
            try:
                await self._stream(writer, body)
            finally:
                self.running[model] -= 1

    async def _stream(self, writer: asyncio.StreamWriter, body: Json) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        pieces = [{"text": word, "token_ids": [number]} for number, word in enumerate(self.words)]
        last: Json = {"text": "", "finish_reason": self.finish, "stop_reason": None}
        if self.script is not None:
            pieces, last = self.script(body)
        for number, choice in enumerate([*pieces, last]):
            if number == self.cut_after:
                writer.transport.abort()
                return
            data = {"model": self.answers_as or body["model"], "choices": [{"index": 0, **choice}]}
            self._chunk(writer, json.dumps(data))
            await writer.drain()
            await asyncio.sleep(self.gap)
        usage = {"prompt_tokens": 3, "completion_tokens": len(pieces)}
        self._chunk(writer, json.dumps({"model": body["model"], "choices": [], "usage": usage}))
        self._chunk(writer, "[DONE]")
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    def _chunk(self, writer: asyncio.StreamWriter, text: str) -> None:
        data = f"data: {text}\n\n".encode()
        writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
