"""Made-up conversations: deterministic, readable by the corpus reader, and true to their own rules."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from typer.testing import CliRunner

from senmon.bases.catalog import load_tokenizer, resolve
from senmon.pretraining.corpus import read_documents, token_ids
from senmon.pretraining.dialogues import KINDS, generate, write
from senmon.pretraining.dialogues.sums import KINDS as SUMS
from senmon.rendering import CALL_START, Renderer, parse_call, references

Line = dict[str, Any]
SIGNATURE = re.compile(r"^- (\w+)\(([^)]*)\): ", re.MULTILINE)
WHOLE = re.compile(r"-?\d+")


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    return list(generate(5_000, 7))


def calls(line: Line) -> list[tuple[int, str, dict[str, Any]]]:
    """The place, the name and the arguments of every call."""
    found = []
    for place, message in enumerate(line["messages"]):
        if message["role"] == "assistant" and message["content"].startswith(CALL_START):
            call = parse_call(message["content"])
            found.append((place, call.name, dict(call.arguments)))
    return found


def test_the_same_in_every_process(lines: list[Line]) -> None:
    script = "import json, senmon.pretraining.dialogues as made; print(json.dumps([*made.generate(40, 7)]))"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert json.loads(told) == lines[:40]
    assert next(generate(1, 8)) != lines[0]


def test_each_kind_and_hardly_any_twice(lines: list[Line]) -> None:
    assert set(Counter(line["source"] for line in lines)) == set(KINDS)
    assert len({json.dumps(line["messages"]) for line in lines}) >= 0.95 * len(lines)
    asked = [
        message["content"] for line in lines for message in line["messages"] if message["role"] == "user"
    ]
    assert len(set(asked)) >= 0.6 * len(asked)


def test_the_reader_and_the_embedded_tokenizer_take_every_line(tmp_path: Path) -> None:
    path = tmp_path / "dialogues-00.jsonl.xz"
    write(400, 3, path)
    renderer = Renderer(load_tokenizer(resolve()))
    documents = list(read_documents(path))
    assert [document.source for document in documents] == [line["source"] for line in generate(400, 3)]
    for document in documents:
        assert not isinstance(document.content, str)
        for message in document.content:
            assert CALL_START not in message.content  # a call in the text was not understood
        assert 20 < len(token_ids(document, renderer, 0)) < 1_400


def test_calls_are_of_the_desks_own_actions(lines: list[Line]) -> None:
    seen = 0
    for line in lines:
        first = line["messages"][0]["content"]
        known = {name: names.split(", ") if names else [] for name, names in SIGNATURE.findall(first)}
        for _, name, arguments in calls(line):
            seen += 1
            assert name in known, line
            assert set(arguments) <= {each.rstrip("?") for each in known[name]}, line
            assert {each for each in known[name] if not each.endswith("?")} <= set(arguments), line
    assert seen > 2_000


def test_arguments_stand_in_what_was_said(lines: list[Line]) -> None:
    for line in lines:
        messages = line["messages"]
        for place, _, arguments in calls(line):
            before = messages[:place]
            said = "\n".join(message["content"] for message in before if message["role"] == "user")
            told = "\n".join(message["content"] for message in before if message["role"] == "tool")
            for value in arguments.values():
                # Reasons for a handover are listed by the action; an id may come from an earlier result.
                assert value in said or value in told or f"({value}," in _reasons(messages[0]["content"]), (
                    line
                )


def _reasons(system: str) -> str:
    return "".join(
        f"({each}," for group in re.findall(r"\(([\w, ]+)\)$", system, re.M) for each in group.split(", ")
    )


def test_references_resolve(lines: list[Line]) -> None:
    seen = 0
    for line in lines:
        known: set[str] = set()
        for message in line["messages"]:
            if message["role"] == "tool":
                known |= _names(message["content"])
            elif message["role"] == "assistant" and line["source"] != "drills":
                named = references(message["content"])
                seen += len(named)
                assert set(named) <= known, line
    assert seen > 1_500


def _names(content: str) -> set[str]:
    if not content.startswith("{"):
        return set(references(content))
    found: set[str] = set()

    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                walk(item, f"{path}.{key}" if path else key)
        else:
            found.add(path)

    walk(json.loads(content), "")
    return found


def _value(text: str) -> int:
    left, sign, right = text.split()
    a, b = int(left), int(right)
    return {"+": a + b, "-": a - b, "×": a * b}[sign]


def test_sums_are_right() -> None:
    rng = Random(5)
    for _ in range(2_000):
        task = rng.choice(SUMS)(rng)
        if " = " in task.text:
            left, right = task.text.split(" = ")
            letter, _, root = task.answer.split()
            expression = re.sub(rf"(\d){letter}", rf"\1*{letter}", left).replace(letter, f"({root})")
            assert eval(expression) == int(right), task
        elif "%" in task.text:
            percent, whole = map(int, WHOLE.findall(task.text))
            assert percent * whole == int(task.answer) * 100, task
        else:
            assert _value(task.text) == int(task.answer), task
        for step in task.steps:
            for left, right in re.findall(r"(\d[\d +×-]*[\d]) = (\d+)\b", step):
                if "=" not in left and " of " not in step:
                    assert eval(left.replace("×", "*")) == int(right), task


def test_written_digits_give_the_sum() -> None:
    """The digits that the steps of an addition write down are those of its answer."""
    rng = Random(6)
    for _ in range(500):
        task = SUMS[0](rng)
        digits = re.findall(r"(?:write |Write the )(\d)", " ".join(task.steps))
        assert "".join(reversed(digits)).lstrip("0") == task.answer, task


def test_the_command_writes_whole_files_or_none(tmp_path: Path) -> None:
    from senmon.cli.main import app, compose

    if not app.registered_groups:
        compose()
    run = CliRunner().invoke
    out = tmp_path / "made" / "talk-00.jsonl"
    done = run(app, ["base", "dialogues", "--count", "30", "--seed", "4", "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    assert [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()] == list(
        generate(30, 4)
    )
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    wrong = run(app, ["base", "dialogues", "--count", "3", "--out", str(tmp_path / "talk.txt")])
    assert wrong.exit_code != 0
    assert not (tmp_path / "talk.txt").exists()
