"""Calls are written under a grammar: even a random model's are valid and name known values."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from enginekit import ask, replies, reply, tool
from senmon.bases.catalog import BaseFiles, load_tokenizer, resolve
from senmon.engines.call_schema import allowed_calls
from senmon.engines.local import LocalEngine
from senmon.engines.local_grammar import CallGrammars
from senmon.engines.local_row import Job, Row
from senmon.engines.local_text import Vocabulary
from senmon.engines.protocol import Sampling
from senmon.packs.manifest import ActionSpec
from senmon.rendering import Renderer, call_text
from tiny import make_tiny_base

Make = Callable[..., LocalEngine]
CANDIDATES = {"order_id": ("A1001", "A1002", 'Zoë "7"')}


@pytest.fixture(scope="module")
def eager_base(tmp_path_factory: pytest.TempPathFactory) -> BaseFiles:
    """A random base that soon wants to call: the marker's embedding, tied to the output, is huge."""
    folder = tmp_path_factory.mktemp("eager")
    base = make_tiny_base(folder, seed=3)
    tool_start = Renderer(load_tokenizer(base)).tool_start
    weights = load_file(folder / "model.safetensors")
    weights["model.embed_tokens.weight"][tool_start] *= 60
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return resolve(str(folder))


async def test_calls_of_a_random_model_are_valid_and_use_candidates(
    make_engine: Make, eager_base: BaseFiles, order_tool: ActionSpec
) -> None:
    engine = make_engine(eager_base)
    requests = [
        ask(f"order {i}", tools=(order_tool,), candidates=CANDIDATES, max_tokens=200, temperature=1.0, seed=i)
        for i in range(12)
    ]
    found = await replies(engine, requests)
    calls = [one.call for one in found if one.finish == "tool_calls"]
    assert len(calls) >= 8
    for call in calls:
        assert call is not None
        assert call.name == "order_status"
        assert call.arguments["order_id"] in CANDIDATES["order_id"]
        assert set(call.arguments) <= {"order_id", "detail"}
        assert call.arguments.get("detail", "long") in ("short", "long")
    assert len({call.arguments["order_id"] for call in calls if call}) > 1
    assert all("<tool_call>" not in one.text and "{" not in one.text[-1:] for one in found)


async def test_a_plain_row_beside_a_call_says_what_it_says_alone(
    make_engine: Make, eager_base: BaseFiles, order_tool: ActionSpec
) -> None:
    engine = make_engine(eager_base)
    plain = ask("hello", max_tokens=30)
    alone = await reply(engine, plain)
    calling = ask("order", tools=(order_tool,), candidates=CANDIDATES, max_tokens=100)
    crowd = await replies(engine, [calling, plain, calling])
    assert crowd[1].text == alone.text
    assert crowd[0].call == crowd[2].call


async def test_without_tools_nothing_is_called(make_engine: Make, eager_base: BaseFiles) -> None:
    engine = make_engine(eager_base)
    for one in await replies(engine, [ask(f"order {i}", max_tokens=40) for i in range(3)]):
        assert one.call is None
        assert one.finish in ("length", "stop")


async def test_a_call_that_does_not_end_in_time_is_not_made(make_engine: Make, eager_base: BaseFiles) -> None:
    note = {"type": "object", "properties": {"note": {"type": "string"}}, "required": ["note"]}
    noting = tool("take_note", note)
    found = await reply(make_engine(eager_base), ask("note", tools=(noting,), max_tokens=60, temperature=1.0))
    assert (found.finish, found.call) == ("length", None)


def test_an_argument_without_candidates_can_not_be_given() -> None:
    parameters = {
        "type": "object",
        "properties": {"order_id": {"type": "string"}, "count": {"type": "integer"}},
    }
    free = tool("find", parameters)
    bound = tool("cancel", parameters | {"required": ["order_id"]})
    none = allowed_calls((free, bound), {"order_id": ()})
    assert [call.name for call in none] == ["find"]
    assert set(none[0].parameters["properties"]) == {"count"}
    typed = allowed_calls((bound,), {"order_id": ("A1",), "count": ("3", "x", "3")})
    assert typed[0].parameters["properties"]["count"] == {"enum": [3]}
    assert typed[0].parameters["additionalProperties"] is False


@pytest.fixture(scope="module")
def parts(tiny_base: BaseFiles) -> tuple[CallGrammars, Vocabulary, Renderer]:
    tokenizer = load_tokenizer(tiny_base)
    renderer = Renderer(tokenizer)
    grammars = CallGrammars(tokenizer, 8192)
    pieces = grammars.pieces(8192)
    return grammars, Vocabulary.build(tokenizer, renderer, pieces, torch.device("cpu")), renderer


def _row(
    parts: tuple[CallGrammars, Vocabulary, Renderer], tools: tuple[ActionSpec, ...], prompt: str = "hi"
) -> Row:
    grammars, vocabulary, renderer = parts
    matcher = grammars.compile(allowed_calls(tools, CANDIDATES))
    ids = tuple(renderer.encode(prompt))
    outbox = None
    job = Job(ids, None, Sampling(), matcher, outbox)  # type: ignore[arg-type]
    return Row(job, vocabulary, 2048, grammars.encode)


def _write(row: Row, ids: list[int]) -> tuple[str, object]:
    """Feeds what a model would choose, without running one; forced tokens must be the same."""
    text, expected = "", list(ids)
    while expected and not row.done:
        chunk = row.take(expected.pop(0))
        for token in row.pending[1:]:
            assert expected.pop(0) == token
        text += chunk.text if chunk else ""
        call = chunk.tool_call if chunk else None
    return text, call


def test_the_form_is_that_of_training(
    parts: tuple[CallGrammars, Vocabulary, Renderer], order_tool: ActionSpec, tmp_path: Path
) -> None:
    renderer = parts[2]
    body = json.dumps({"name": "order_status", "arguments": {"order_id": "A1002", "detail": "short"}})
    ids = [*renderer.encode("One moment. "), renderer.tool_start, *renderer.encode(body)]
    text, call = _write(_row(parts, (order_tool,)), [id for id in ids if id is not None])
    assert text == "One moment. "
    assert call is not None
    assert call_text(call) == f"<tool_call>{body}</tool_call>"  # type: ignore[arg-type]


def test_a_call_that_must_come_is_all_that_may_come_first(
    parts: tuple[CallGrammars, Vocabulary, Renderer], order_tool: ActionSpec
) -> None:
    free, bound, none = (_row(parts, tools) for tools in ((order_tool,), (order_tool,), ()))
    start = parts[2].tool_start
    assert start is not None
    for row in (bound, none):
        row.job = dataclasses.replace(row.job, must_call=True)
    left = [torch.zeros(8192) for _ in range(3)]
    for row, logits in zip((free, bound, none), left, strict=True):
        row.restrict(logits, logits[start].clone())
    assert [int(logits.isfinite().sum()) for logits in left] == [8192, 1, 8192]  # nothing to call: words
    assert left[1].argmax() == start


def test_a_marker_spelt_as_text_begins_a_call_and_never_shows(
    parts: tuple[CallGrammars, Vocabulary, Renderer], order_tool: ActionSpec
) -> None:
    renderer = parts[2]
    row = _row(parts, (order_tool,))
    text = ""
    for token in renderer.encode("Yes <tool_call>"):
        chunk = row.take(token)
        text += chunk.text if chunk else ""
    assert text == "Yes "
    body = json.dumps({"name": "order_status", "arguments": {"order_id": "A1001"}})
    rest = list(renderer.encode(body))
    forced = row.pending[1:]
    assert rest[: len(forced)] == forced
    _, call = _write(row, rest[len(forced) :])
    assert call is not None and call.arguments == {"order_id": "A1001"}  # type: ignore[attr-defined]


def test_without_tools_a_spelt_marker_ends_the_reply(
    parts: tuple[CallGrammars, Vocabulary, Renderer],
) -> None:
    row = _row(parts, ())
    chunks = [row.take(token) for token in parts[2].encode("Yes <tool_call>")]
    assert "".join(chunk.text for chunk in chunks if chunk) == "Yes "
    assert chunks[-1] is not None and chunks[-1].finish == "stop"
