"""`senmon generate` and `senmon review` against a pack on disk and a model server on a socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from senmon.cli import generating
from senmon.dataset.loading import load_dataset
from senmon.errors import ConfigError, EngineUnavailable
from senmon.packs.loader import load_pack
from tiny import write_pack


class Model(BaseHTTPRequestHandler):
    """Speaks OpenAI's streaming chat protocol: writes as many requests as it is asked for, values kept."""

    asked: list[dict[str, Any]] = []  # noqa: RUF012

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append({"path": self.path, "key": self.headers["Authorization"], **body})
        shown = next(line for line in body["messages"][-1]["content"].splitlines() if line.startswith("{"))
        one = json.loads(shown)
        number = len(self.asked)
        request = f"friend number{number} of mine asks: {one['request']} in week{number}"
        text = f"Here you are:\n{json.dumps({**one, 'request': request})}\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for piece in (text[:20], text[20:]):
            self._event({"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]})
        self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, data: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(data)}\n\n".encode())

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[str]:
    Model.asked.clear()
    http = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SENMON_PACKS", "packs")
    monkeypatch.setenv("COLUMNS", "200")
    return write_pack(tmp_path / "packs/shop")


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command("generate")(generating.generate)
    app.add_typer(generating.app, name="review")
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_from_generating_to_training_data(shop: Path) -> None:
    done = json.loads(run("generate", "shop", "--paraphrase", "--noise", "--count", "5", "--json").stdout)
    ids = [entry["id"] for entry in done["made"]]
    assert len(ids) == 5 and done["waiting"] == 5
    listed = run("review", "list", "shop").stdout
    assert all(id.removeprefix("gen-") in listed for id in ids)
    assert "passes" in run("review", "show", "shop", ids[0]).stdout
    assert "2 accepted" in run("review", "accept", "shop", *ids[:2]).stdout
    assert "2 were accepted before" in run("review", "accept", "shop", *ids[:2]).stdout
    assert "training data already" in run("review", "reject", "shop", ids[0]).stdout
    assert "1 rejected" in run("review", "reject", "shop", ids[2]).stdout
    assert "2 accepted" in run("review", "accept", "shop", "--all-passing").stdout
    made = [
        each.id for each in load_dataset(load_pack(shop)).examples if each.origin.startswith("generated:")
    ]
    assert made == [*ids[:2], *ids[3:]]


def test_a_method_must_be_named() -> None:
    with pytest.raises(ConfigError, match="--paraphrase"):
        run("generate", "shop")


def test_self_instruct_asks_a_server(shop: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENMON_ENGINE", "openai")
    monkeypatch.setenv("SENMON_ENGINE_URL", server)
    monkeypatch.setenv("SENMON_ENGINE_API_KEY", "secret")
    with pytest.raises(ConfigError, match="--model"):
        run("generate", "shop", "--self-instruct")
    done = run("generate", "shop", "--self-instruct", "--model", "writer-1", "--count", "4", "--json")
    report = json.loads(done.stdout)
    assert report["made"] and {entry["method"] for entry in report["made"]} == {"self-instruct"}
    assert Model.asked[0]["model"] == "writer-1" and Model.asked[0]["key"] == "Bearer secret"
    assert all(asked["path"] == "/v1/chat/completions" and "tools" not in asked for asked in Model.asked)
    held = [example.request for example in load_dataset(load_pack(shop)).split("valid")]
    assert held and not any(request in json.dumps(Model.asked) for request in held if len(request) > 30)
    assert "secret" not in (shop / "review/generated.jsonl").read_text(encoding="utf-8")


def test_a_server_that_is_not_there_leaves_nothing(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENMON_ENGINE", "openai")
    monkeypatch.setenv("SENMON_ENGINE_URL", "http://127.0.0.1:9")
    with pytest.raises(EngineUnavailable):
        run("generate", "shop", "--self-instruct", "--model", "writer-1")
    assert not (shop / "review").exists()
