"""The whole way with real data: import a pack, tune it, gate it, serve it beside the others, no restart."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

ROOT = Path(__file__).resolve().parents[2]
SHEET = "bitext_support_4k/Bitext_Sample_Customer_Support_Training_Dataset.csv"
SENMON = [sys.executable, "-m", "senmon.cli.main"]
TUTOR_REQUESTS = ("solve 5x + 2 = 27 please", "can you help me with 3/4 + 1/6", "what is 12 - 4 * 2")
SUPPORT_REQUESTS = ("where is my order A1001", "is the desk lamp in stock?", "list all my orders")


@dataclass(frozen=True)
class Running:
    """A server process over its own state and packs."""

    address: str
    environment: dict[str, str]
    log: Path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    place = tmp_path_factory.mktemp("slice")
    for name in ("support", "tutor"):
        shutil.copytree(
            ROOT / "domains" / name, place / "packs" / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    environment = {**os.environ, "SENMON_HOME": str(place / "home"), "SENMON_PACKS": str(place / "packs")}
    log = place / "server.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [*SENMON, "up", "--no-tune", "--port", "0", "--json"],
            stdout=subprocess.PIPE, stderr=errors, env=environment, cwd=place,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline() or b"{}")
            assert ready.get("event") == "ready", log.read_text(encoding="utf-8")[-2000:]
            yield Running(ready["address"], environment, log)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(120)


def command(running: Running, *arguments: str, timeout: float = 400) -> list[dict[str, Any]]:
    """A CLI call with `--json`; its JSON records."""
    result = subprocess.run(
        [*SENMON, *arguments, "--json"],
        env=running.environment, capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    try:
        whole = json.loads(result.stdout)
        return whole if isinstance(whole, list) else [whole]
    except json.JSONDecodeError:
        return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


def held_out(sheet: Path, number: int) -> list[str]:
    """Requests that no training saw: those of the importer's fixed evaluation split."""
    with sheet.open(encoding="utf-8", newline="") as file:
        requests = [row["instruction"].strip() for row in csv.DictReader(file)]
    kept = [text for text in requests if int(sha256(text.encode()).hexdigest(), 16) % 100 >= 80]
    return kept[:: len(kept) // number][:number]


@pytest.mark.real_data
def test_import_tune_gate_serve(running: Running, test_data: Path) -> None:
    imported = command(running, "import", "bitext", str(test_data / SHEET), "--pack", "bitext")
    assert imported[-1]["taken"] > 4000

    wait_for_pack(running, "bitext", "untuned")
    tuned = command(running, "tune", "bitext", "--budget", "1m")
    assert tuned[-1]["passed"] is True, tuned[-1]
    wait_for_pack(running, "bitext", "ready")

    client = openai.OpenAI(base_url=f"{running.address}/v1", api_key="none", max_retries=0, timeout=120)
    assert {"auto", "support", "tutor", "bitext"} <= {model.id for model in client.models.list()}
    stream = client.chat.completions.create(
        model="bitext", messages=[{"role": "user", "content": "how do I get a refund?"}], stream=True
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert len(text.split()) >= 5, text

    routed = [routed_to(client, text) for text in TUTOR_REQUESTS]
    assert routed == ["tutor"] * len(TUTOR_REQUESTS)
    assert [routed_to(client, text) for text in SUPPORT_REQUESTS].count("support") >= 2
    shop = [routed_to(client, text) for text in held_out(test_data / SHEET, 12)]
    # Both are shop packs: what matters is that a customer's request reaches a shop, mostly its own.
    assert sum(pack in ("bitext", "support") for pack in shop) >= 11
    assert shop.count("bitext") >= 8


def routed_to(client: openai.OpenAI, text: str) -> str | None:
    """The pack that `auto` chose."""
    reply = client.chat.completions.create(
        model="auto", messages=[{"role": "user", "content": text}], max_completion_tokens=4
    )
    extra = (reply.model_extra or {})["senmon"]
    pack = extra.get("pack")
    return pack.split("@")[0] if pack else None


def wait_for_pack(running: Running, name: str, status: str, seconds: float = 240) -> None:
    """The running server notices new packs and promotions by itself."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        packs = httpx.get(f"{running.address}/v1/packs", timeout=60).json()["packs"]
        if any(pack["name"] == name and pack["status"] == status for pack in packs):
            return
        time.sleep(0.5)
    raise AssertionError(f"{name} did not become {status}: {running.log.read_text(encoding='utf-8')[-2000:]}")
