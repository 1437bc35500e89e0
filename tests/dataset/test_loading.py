"""Data lines: what a good one gives, and the place and remedy of every fault."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from senmon.dataset.call_rules import PackRules
from senmon.dataset.example import Dataset
from senmon.dataset.hugging_face import to_hf
from senmon.dataset.loading import load_dataset
from senmon.dataset.record import Record, read_record
from senmon.dataset.routing import routing_examples
from senmon.errors import DataInvalid, Problem, SenmonError
from senmon.messages import CONTEXT, ToolCall
from senmon.packs.jsonl import MAX_LINE_BYTES
from senmon.packs.loader import load_pack
from senmon.rendering import context_message, result_message

Make = Callable[..., Path]
Json = dict[str, Any]

ORDER = {"order": {"id": "A1001", "eta": "Friday"}}


def user(text: str = "where is A1001") -> Json:
    return {"role": "user", "content": text}


def reply(text: str = "It comes soon.") -> Json:
    return {"role": "assistant", "content": text}


def call(name: str = "order_status", arguments: Any = None, **more: Any) -> Json:
    function = {"name": name, "arguments": {"order_id": "A1001"} if arguments is None else arguments}
    return {"role": "assistant", "tool_calls": [{"type": "function", "function": function, **more}]}


def result(content: Any = ORDER, **more: Any) -> Json:
    return {"role": "tool", "content": content, **more}


def shown(*articles: str, **more: Any) -> Json:
    return {"role": "tool", "passages": list(articles), **more}


def example(*messages: Any, **more: Any) -> Json:
    return {"intent": "x", "messages": list(messages), **more}


def write(folder: Path, *lines: Any, name: str = "train.jsonl") -> Path:
    texts = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines]
    (folder / "data" / name).write_text("\n".join(texts) + "\n", encoding="utf-8")
    return folder


def load(folder: Path) -> Dataset:
    return load_dataset(load_pack(folder))


def problems(folder: Path) -> tuple[Problem, ...]:
    with pytest.raises(DataInvalid) as caught:
        load(folder)
    return caught.value.problems


# --- what good data gives


def test_the_small_pack_loads(pack_folder: Make) -> None:
    dataset = load(pack_folder("shop"))
    assert len(dataset) == 24 and dict(dataset.intents()) == {"hours": 8, "order_status": 8, "returns": 8}
    first = dataset.examples[0]
    assert first.source == "data/train.jsonl:1" and first.licence == "Apache-2.0" and first.request
    assert len({example.id for example in dataset.examples}) == 24


def test_passages_are_expanded_as_serving_does(pack_folder: Make) -> None:
    folder = pack_folder("shop")
    pack = load_pack(folder)
    context = load(folder).examples[0].messages[1]
    assert context == context_message([pack.articles[0].passage()])
    article = folder / "knowledge/hours.md"
    before = load(folder).digest
    article.write_text(article.read_text(encoding="utf-8").replace("6 pm", "7 pm"), encoding="utf-8")
    assert "7 pm" in load(folder).examples[0].messages[1].content and load(folder).digest != before


def test_a_context_may_tell_the_customer_s_state_and_the_date(pack_folder: Make) -> None:
    folder = pack_folder("shop")
    write(folder, example(user(), shown(customer="verified", today="2026-03-01"), reply()))
    context = load(folder).examples[0].messages[1]
    assert context.name == CONTEXT and "verified" in context.content and "2026-03-01" in context.content


def test_results_are_written_as_serving_does(pack_folder: Make) -> None:
    folder = write(
        pack_folder("shop"),
        example(user(), call(), result('{ "order":   {"eta": "Friday"} }'), reply("On [[order.eta]].")),
    )
    messages = load(folder).examples[0].messages
    made = ToolCall("call_1", "order_status", {"order_id": "A1001"})
    assert messages[1].tool_calls == (made,)
    assert messages[2] == result_message(made, {"order": {"eta": "Friday"}})


def test_an_example_may_end_with_a_call_and_talk_on(pack_folder: Make) -> None:
    turns = [user("hi"), reply("Hello!"), user("where is A1001"), shown("hours"), call()]
    assert len(load(write(pack_folder("shop"), example(*turns))).examples[0].messages) == 5


def test_digest_is_of_content_and_order_alone(pack_folder: Make) -> None:
    one, two = example(user("a b"), reply()), example(user("c d"), reply(), licence="MIT")
    digest = load(write(pack_folder("shop"), one, two)).digest
    assert load(write(pack_folder("shop"), {**one, "id": "named"}, "", two)).digest == digest
    assert load(write(pack_folder("shop"), two, one)).digest != digest
    assert load(write(pack_folder("shop"), one, {**two, "intent": "y"})).digest != digest


def test_equal_examples_get_ids_of_their_own(pack_folder: Make) -> None:
    line = example(user(), reply())
    ids = [item.id for item in load(write(pack_folder("shop"), line, line)).examples]
    assert ids[1] == f"{ids[0]}-2"


def test_routing_examples_are_the_training_requests(pack_folder: Make) -> None:
    lines = [example(user("a"), reply(), split="train"), example(user("b"), reply(), split="test")]
    assert routing_examples(load(write(pack_folder("shop"), *lines))) == (("a", "x"),)


def test_hugging_face_form(pack_folder: Make) -> None:
    dataset = load(pack_folder("shop"))
    splits = to_hf(dataset)
    assert sum(len(part) for part in splits.values()) == 24
    row = next(row for row in splits["train"] if row["intent"] == "order_status")
    assert [message["role"] for message in row["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert json.loads(row["messages"][1]["tool_calls"])[0]["function"]["name"] == "order_status"


# --- lines


@pytest.mark.parametrize(
    ("line", "why", "remedy"),
    [
        ("{", "broken JSON", "one JSON object per line"),
        ("[]", "not an object", "one JSON object"),
        ('{"intent": NaN}', "NaN is not JSON", "one JSON object"),
        ('{"intent": "a", "intent": "b"}', "`intent` is given twice", "one JSON object"),
        ('{"intent": "\\ud800"}', "surrogate", "one JSON object"),
        ("[" * 100_000, "nested too deep", "one JSON object"),
        ('{"intent": "' + "x" * MAX_LINE_BYTES + '"}', "longer than 1 MB", "shorten"),
    ],
)
def test_lines_that_are_no_objects(pack_folder: Make, line: str, why: str, remedy: str) -> None:
    folder = write(pack_folder("shop"), example(user(), reply()), line, example(user("more"), reply()))
    (found,) = problems(folder)
    assert found.path == str(folder.resolve() / "data/train.jsonl") and found.line == 2
    assert why in found.why and remedy in found.remedy


def test_bad_utf8_has_its_line(pack_folder: Make) -> None:
    folder = pack_folder("shop")
    good = json.dumps(example(user(), reply())).encode()
    (folder / "data/train.jsonl").write_bytes(good + b'\n{"intent": "caf\xe9"}\n')
    (found,) = problems(folder)
    assert (found.line, found.why) == (2, "is not UTF-8 text") and "UTF-8" in found.remedy


def test_a_byte_order_mark_and_windows_line_ends_are_fine(pack_folder: Make) -> None:
    folder = pack_folder("shop")
    line = json.dumps(example(user(), reply())).encode()
    (folder / "data/train.jsonl").write_bytes(b"\xef\xbb\xbf" + line + b"\r\n\r\n")
    assert len(load(folder)) == 1


# --- fields and messages

GOOD = (user(), reply())


@pytest.mark.parametrize(
    ("record", "field", "why", "remedy"),
    [
        (example(*GOOD, lable=1), "lable", "unknown field", "known: messages"),
        ({"messages": list(GOOD)}, "intent", "missing", "add"),
        (example(*GOOD, intent=" "), "intent", "not a label", "add"),
        (example(*GOOD, intent=3), "intent", "not", ""),
        (example(*GOOD, intent="x" * 81), "intent", "80 characters", "shorten"),
        (example(*GOOD, split="dev"), "split", "unknown split `dev`", "train, valid, test"),
        (example(*GOOD, tags="a"), "tags", "not a list", "["),
        (example(*GOOD, licence=1), "licence", "not text", "quotes"),
        ({"intent": "x"}, "messages", "list of messages", "write"),
        (example(), "messages", "list of messages", "write"),
        (example(*(GOOD * 101)), "messages", "more than 200", "divide"),
        (example(reply()), "messages.0.role", "a reply can't stand here", "a user message"),
        (example("hi", reply()), "messages.0.role", "not a user", "write"),
        (example({"role": "system", "content": "x"}, *GOOD), "messages.0.role", "not a user", "system.md"),
        (example(user(), user(), reply()), "messages.1.role", "can't stand here", "a reply or a context"),
        (example(user()), "messages", "does not end with a reply", "end with"),
        (example(user(), reply(" ")), "messages.1.content", "is empty", "write the message"),
        (example(user(""), reply()), "messages.0.content", "is empty", "write the message"),
        (example(user(), {"role": "assistant"}), "messages.1.content", "not text", "one text"),
        (
            example(user(), {**reply(), "content": [{"type": "text"}]}),
            "messages.1.content",
            "not text",
            "one text",
        ),
        (example(user(), {**reply(), "refusal": "x"}), "messages.1.refusal", "unknown field", "known"),
        (example(user(), result(), reply()), "messages.1.role", "a result can't stand here", "a context"),
        (example(user(), call(), reply()), "messages.2.role", "can't stand here", "a result"),
        (example(user(), call(), shown("hours"), reply()), "messages.2.role", "can't stand here", "a result"),
        (
            example(user(), call(), result(), user(), reply()),
            "messages.3.role",
            "can't stand here",
            "a reply",
        ),
        (
            example(user(), call("nope"), result(), reply()),
            "tool_calls.0.function.name",
            "unknown action",
            "order_status",
        ),
        (example(user(), call(arguments={})), "tool_calls.0.function.arguments", "required", "pack.yaml"),
        (
            example(user(), call(arguments={"order_id": 1})),
            "function.arguments.order_id",
            "not of type",
            "pack.yaml",
        ),
        (
            example(user(), call(arguments={"order_id": "A1001", "customer_id": "c"})),
            "arguments.customer_id",
            "no argument",
            "the server sets it",
        ),
        (
            example(user(), call(arguments={"order_id": "B2002"})),
            "arguments.order_id",
            "does not occur",
            "copy it",
        ),
        (example(user(), call(arguments="[1]")), "tool_calls.0", "JSON object", "correct"),
        (example(user(), call(arguments="{")), "tool_calls.0", "JSON object", "correct"),
        (
            example(user(), {**reply(), "tool_calls": "x"}),
            "messages.1.tool_calls",
            "not a list",
            "list of calls",
        ),
        (example(user(), {**reply(), "tool_calls": [{"name": "x"}]}), "tool_calls.0", "a call is", "correct"),
        (example(user(), call(index=0)), "tool_calls.0", "unknown fields: index", "correct"),
        (
            example(user(), call(id="c1"), result(tool_call_id="c2"), reply()),
            "messages.2.tool_call_id",
            "no call",
            "c1",
        ),
        (
            example(user(), call(), result(name="other"), reply()),
            "messages.2.name",
            "`order_status`",
            "write",
        ),
        (
            example(user(), call(), result("It is late."), reply()),
            "messages.2.content",
            "JSON object",
            "write",
        ),
        (
            example(user(), shown("nope"), reply()),
            "messages.1.passages",
            "unknown article `nope`",
            "hours, returns",
        ),
        (example(user(), shown(), reply()), "messages.1.passages", "nothing to tell", "name an article"),
        (
            example(user(), {**shown("hours"), "passages": "hours"}, reply()),
            "passages",
            "not a list",
            "article-id",
        ),
        (
            example(user(), shown("hours", content="x"), reply()),
            "messages.1.content",
            "beside",
            "one of the two",
        ),
        (
            example(user(), shown("hours", name="other"), reply()),
            "messages.1.name",
            "context message",
            "context",
        ),
        (
            example(user(), shown("hours", customer="c-17"), reply()),
            "messages.1.customer",
            "known state",
            "verified",
        ),
        (
            example(user(), shown("hours", today="today"), reply()),
            "messages.1.today",
            "not a date",
            "2026-12-31",
        ),
        (example(user(), reply("On [[Order Date]].")), "messages.1.content", "malformed", "[[name]]"),
        (example(user(), reply("On [[order.eta")), "messages.1.content", "malformed", "[[name]]"),
        (
            example(user(), shown("hours"), reply("[[article.fee]]")),
            "messages.2.content",
            "refers to nothing",
            "opening",
        ),
        (
            example(user(), call(), result(), reply("[[order.day]]")),
            "messages.3.content",
            "to nothing",
            "order.eta",
        ),
    ],
)
def test_broken_records(pack_folder: Make, record: Json, field: str, why: str, remedy: str) -> None:
    folder = write(pack_folder("shop"), example(user("fine"), reply()), record)
    found = [problem for problem in problems(folder) if problem.field.endswith(field)]
    assert found, problems(folder)
    assert found[0].line == 2 and why in found[0].why and remedy in found[0].remedy


def test_calls_with_one_id_are_refused(pack_folder: Make) -> None:
    twice = call(id="c1")
    twice["tool_calls"] *= 2
    assert problems(write(pack_folder("shop"), example(user(), twice)))[0].why == "id `c1` is used twice"


def test_two_calls_get_two_results(pack_folder: Make) -> None:
    both = {"role": "assistant", "tool_calls": [call(id=name)["tool_calls"][0] for name in ("a", "b")]}
    lines = [result(tool_call_id="b"), result(tool_call_id="a")]
    assert len(load(write(pack_folder("shop"), example(user(), both, *lines, reply()))).examples) == 1
    found = problems(write(pack_folder("shop"), example(user(), both, lines[0], reply())))
    assert found[0].field == "messages.3.role" and "a result" in found[0].remedy


def test_a_verbatim_action_needs_no_reply_of_the_model(pack_folder: Make) -> None:
    spec = {"name": "status", "description": "x", "reply": "verbatim"}
    folder = pack_folder("shop", actions={"specs": [spec]})
    write(folder, example(user(), call("status", {}), result({"text": "All fine."}), user("thanks"), reply()))
    assert len(load(folder)) == 1


def test_ids_are_unique_across_files(pack_folder: Make) -> None:
    folder = write(pack_folder("shop"), example(user("a"), reply(), id="one"))
    write(folder, example(user("b"), reply(), id="one"), name="z.jsonl")
    (found,) = problems(folder)
    assert found.path.endswith("data/z.jsonl") and found.line == 1 and "data/train.jsonl:1" in found.why


def test_all_problems_come_together_but_not_without_end(pack_folder: Make) -> None:
    folder = write(pack_folder("shop"), *["{"] * 300)
    with pytest.raises(DataInvalid, match=r"300 problems \(the first 200 are listed\)") as caught:
        load(folder)
    assert len(caught.value.problems) == 200 and caught.value.problems[199].line == 200


def test_no_example_at_all(pack_folder: Make) -> None:
    assert "holds no example" in problems(write(pack_folder("shop"), ""))[0].why


# --- hostile files


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mangled_lines_raise_nothing_but_our_errors(pack_folder: Make, data: st.DataObject) -> None:
    folder = pack_folder("shop")
    path = folder / "data/train.jsonl"
    original = path.read_bytes()
    at, cut = data.draw(st.integers(0, len(original))), data.draw(st.integers(0, 30))
    put = data.draw(
        st.one_of(st.binary(max_size=8), st.sampled_from([b"null", b"[]", b"{}", b'"\\ud83d"', b"1e999"]))
    )
    path.write_bytes(original[:at] + put + original[at + cut :])
    try:
        load(folder)
    except SenmonError as error:
        assert str(error)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "tool_calls", "function", "name", "arguments"]), inner
        )
    ),
    max_leaves=5,
)
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool", "system"])},
    optional=dict.fromkeys(
        ("content", "tool_calls", "passages", "name", "tool_call_id", "customer", "today"), JSON
    ),
)


RECORD = st.fixed_dictionaries(
    {"messages": st.lists(MESSAGE | JSON, max_size=5)},
    optional=dict.fromkeys(("intent", "id", "split", "licence", "origin", "tags", "other"), JSON),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(record=RECORD)
def test_any_json_is_a_record_or_has_faults(pack_folder: Make, record: Json) -> None:
    rules = _rules(pack_folder)
    found = read_record(record, rules, "x:1")
    assert isinstance(found, Record) or all(field and why and remedy for field, why, remedy in found)


@cache
def _rules(pack_folder: Make) -> PackRules:
    return PackRules.of(load_pack(pack_folder("shop")))
