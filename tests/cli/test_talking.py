"""`route`, `chat` and `doctor` as a user starts them: a process, its streams and its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Runner = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def senmon(pack_folder: Callable[..., Path], tmp_path: Path) -> Runner:
    """`senmon("route", "-", text=…)` over one small pack and its own state."""
    folder = pack_folder()
    environment = {
        **os.environ, "SENMON_HOME": str(tmp_path / "home"), "SENMON_PACKS": str(folder.parent),
        "SENMON_DEVICE": "cpu",
    }  # fmt: skip

    def run(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "senmon.cli.main", *arguments],
            input=text, capture_output=True, text=True, env=environment, timeout=240, check=False,
        )  # fmt: skip

    return run


def records(output: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.splitlines()]


def test_route_answers_each_line_in_order(senmon: Runner) -> None:
    texts = ["when do you open", "", "who won the match in brazil yesterday", "how do returns work"]
    result = senmon("route", "--json", "-", text="\n".join(texts) + "\n")
    assert result.returncode == 0, result.stderr
    answers = records(result.stdout)
    assert [set(answer) for answer in answers] == [{"pack", "score", "margin", "intent"}] * len(texts)
    assert [answer["pack"] for answer in answers] == ["shop", None, None, "shop"]
    assert [answers[0]["intent"], answers[3]["intent"]] == ["hours", "returns"]


def test_route_names_the_broken_line(senmon: Runner, tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "senmon.cli.main", "route", "-"],
        input=b"when do you open\n\xff\xfe\n",
        capture_output=True,
        env={**os.environ, "SENMON_HOME": str(tmp_path / "home"), "SENMON_PACKS": str(tmp_path / "packs")},
        timeout=240,
        check=False,
    )
    assert result.returncode == 1
    assert b"line 2" in result.stderr


def test_chat_is_one_conversation_of_events(senmon: Runner) -> None:
    result = senmon("chat", "shop", "--json", "-", text="when do you open\nthanks\n")
    assert result.returncode == 0, result.stderr
    events = records(result.stdout)
    runs = [place for place, event in enumerate(events) if event["type"] == "run"]
    assert len(runs) == 2
    assert events[runs[1] - 1]["type"] == "done"
    assert events[-1]["type"] == "done"
    assert events[-1]["data"]["provenance"]["pack"] == "shop@0.1.0"  # type: ignore[index]


def test_chat_refuses_what_is_no_message_and_goes_on(senmon: Runner) -> None:
    lines = ["", "x" * 5000, "\x00\x01\x02", "when do you open"]
    result = senmon("chat", "shop", "--json", "-", text="\n".join(lines) + "\n")
    assert result.returncode == 0, result.stderr
    events = records(result.stdout)
    assert [event["type"] for event in events[:4]] == ["error"] * 3 + ["run"]
    said = [str(event["data"]["message"]) for event in events[:3]]  # type: ignore[index]
    assert "is empty" in said[0]
    assert "at most 4000" in said[1]
    assert "control character" in said[2]
    assert events[-1]["type"] == "done"


def test_what_the_system_refuses_is_an_error_with_a_remedy(senmon: Runner, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file", encoding="utf-8")
    result = senmon("packs", "allow", "shop", "--json")
    assert result.returncode == 1
    assert "folder is needed" in records(result.stdout)[-1]["error"]["remedy"]  # type: ignore[index]
    assert "Traceback" not in result.stderr


def test_an_unknown_pack_is_an_error_with_a_remedy(senmon: Runner) -> None:
    result = senmon("chat", "shopp", "--json", "-", text="hi\n")
    assert result.returncode == 1
    assert records(result.stdout)[-1]["error"]["code"] == "pack_not_found"  # type: ignore[index]
    assert "Traceback" not in result.stderr


def test_doctor_names_everything_and_its_remedy(senmon: Runner) -> None:
    result = senmon("doctor", "--json")
    assert result.returncode == 0, result.stdout + result.stderr
    findings = json.loads(result.stdout)
    assert {"python", "packages", "device", "base", "pack", "adapter of shop", "state", "port"} <= {
        finding["what"] for finding in findings
    }
    adapter = next(finding for finding in findings if finding["what"] == "adapter of shop")
    assert (adapter["state"], adapter["remedy"]) == ("note", "`senmon tune shop`")


def test_doctor_fails_on_a_broken_pack(senmon: Runner, tmp_path: Path) -> None:
    (tmp_path / "packs/shop/pack.yaml").write_text("name: [", encoding="utf-8")
    result = senmon("doctor", "--json")
    assert result.returncode == 1
    assert any(finding["state"] == "fault" for finding in json.loads(result.stdout))
