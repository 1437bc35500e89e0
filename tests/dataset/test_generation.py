"""Generated examples: what may never change, what is refused, and what a decision does."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from senmon.dataset.generation.candidate import Candidate, Method, training_parents
from senmon.dataset.generation.generating import GenerationReport, Wish, generate
from senmon.dataset.generation.noise import noisy
from senmon.dataset.generation.paraphrase import paraphrases
from senmon.dataset.generation.pattern_text import text_of
from senmon.dataset.generation.protected import protected_spans
from senmon.dataset.generation.review_file import ACCEPTED, REVIEW, read_entries
from senmon.dataset.generation.reviewing import accept, reject
from senmon.dataset.generation.self_instruct import parse_answer
from senmon.dataset.generation.shortage import shortages
from senmon.dataset.generation.sieve import Sieve
from senmon.dataset.generation.templates import load_templates, worded
from senmon.dataset.loading import load_dataset
from senmon.dataset.near_duplicates import near_duplicates
from senmon.dataset.near_index import NearIndex
from senmon.dataset.normal_form import normalised
from senmon.errors import ConfigError, DataInvalid, EngineUnavailable, PackInvalid
from senmon.evaluation.example_faults import judge_of
from senmon.messages import Message
from senmon.packs.loader import load_pack

Folder = Callable[..., Path]
EVERY: tuple[Method, ...] = ("paraphrase", "noise")

TEMPLATES = """
slots:
  order_id: {pattern: "[B-D]\\\\d{4}"}
  eta: {date: {from: 2026-01-01, to: 2026-12-31}}
synonyms: {where: [where is, "what about"]}
templates:
- name: shipped
  intent: order_status
  messages:
  - role: user
    content: ["[Hi, ]{~where} (my|the) order {order_id}?", "Has {order_id} left (already|yet), [please]?"]
  - role: assistant
    tool_calls: [{type: function, function: {name: order_status, arguments: {order_id: "{order_id}"}}}]
  - {role: tool, name: order_status, content: {order: {id: "{order_id}", eta: "{eta}"}}}
  - {role: assistant, content: "It should arrive on [[order.eta]]."}
"""


def made(folder: Path, *methods: Method, ask: Any = None, **wish: Any) -> GenerationReport:
    pack = load_pack(folder)
    wish.setdefault("count", 12)
    work = generate(pack, load_dataset(pack), Wish(methods or EVERY, **wish), judge_of(pack), ask=ask)
    return asyncio.run(work)


def decide(folder: Path, ids: Sequence[str] = (), **options: Any) -> Any:
    pack = load_pack(folder)
    return accept(pack, load_dataset(pack), judge_of(pack), ids, **options)


@pytest.fixture
def shop(pack_folder: Folder) -> Path:
    folder = pack_folder("shop")
    (folder / "generate").mkdir()
    (folder / "generate/orders.yaml").write_text(TEMPLATES, encoding="utf-8")
    return folder


# --- what stays

SAID = "where is my order A1001 please Anna 30 days €4.50 not deliver parcel x2+3=7 Ridge tent"
WORDS = st.sampled_from(SAID.split())


@example("where days A1001 Ridge tent where where where", 3988)
@given(st.lists(WORDS, min_size=1, max_size=14).map(" ".join), st.integers(0, 10**6))
def test_noise_never_touches_ids_numbers_names_or_copied_values(text: str, seed: int) -> None:
    spans = protected_spans(text, ["A1001", "Ridge tent"], [r"\b[A-Z]\d{4}\b"])
    changed = noisy(text, spans, Random(seed))
    if changed is None:
        return
    assert normalised(changed) != normalised(text)
    for kept, times in Counter(text[start:end] for start, end in spans).items():
        assert changed.count(kept) >= times
    assert changed == noisy(text, spans, Random(seed))


@given(st.text(max_size=80), st.integers(0, 100))
def test_noise_takes_any_text(text: str, seed: int) -> None:
    spans = protected_spans(text)
    changed = noisy(text, spans, Random(seed))
    assert changed is None or re.findall(r"\d+", changed) == re.findall(r"\d+", text)


@given(
    st.sampled_from(
        (
            "where is my order {}",
            "how do I return {}?",
            "can I send {} back",
            "I don't want {}. Do you take it?",
        )
    ),
    st.from_regex(r"[A-Z]\d{4}", fullmatch=True),
    st.integers(0, 1000),
)
def test_paraphrases_keep_ids_and_negation(frame: str, id: str, seed: int) -> None:
    text = frame.format(id)
    for way in paraphrases(text, protected_spans(text, [id]), Random(seed)):
        assert way.count(id) == 1 and way != text
        assert bool(re.search(r"\bnot\b|n't", way)) == bool(re.search(r"\bnot\b|n't", text))


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("where is my order A1001", "Can you tell me where my order A1001 is?"),
        ("hi, how do I return a tent? thanks", "I'd like to know how to return a tent."),
        ("Can I pay by invoice?", "Is it possible to pay by invoice?"),
        ("How long does a refund take?", "Can you tell me how long a refund takes?"),
        ("do you ship to France", "I was wondering if you ship to France."),
        (
            "I bought a tent in May. Where is my parcel A1001?",
            "Where is my parcel A1001? I bought a tent in May.",
        ),
    ],
)
def test_paraphrases_are_english(text: str, way: str) -> None:
    found = {found for seed in range(40) for found in paraphrases(text, protected_spans(text), Random(seed))}
    assert way in found


@pytest.mark.parametrize(
    "text",
    ["where is it", "order that I sent back where", "can I still", "WHERE IS MY ORDER", "how do I", "", "…"],
)
def test_what_no_rule_understands_is_left_alone(text: str) -> None:
    assert paraphrases(text, protected_spans(text), Random(0)) == []


@given(st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=12).map(" ".join), max_size=12))
def test_the_index_finds_what_near_duplicates_finds(texts: list[str]) -> None:
    for first, second in pairwise(texts):
        index = NearIndex()
        index.add(first, "first")
        assert bool(index.like(second)) == bool(near_duplicates([first, second]))


@given(st.integers(0, 10**6))
def test_patterns_are_read_backwards(seed: int) -> None:
    pattern = r"(A|AB)-?\d{3,5}[x-z_]"
    assert re.fullmatch(pattern, text_of(pattern, Random(seed)))


@pytest.mark.parametrize(
    "pattern", ["a*", "(", "[", "[^a]", r"\p", "a{3", "a{999}", "((((a{50}){50}){50}){50})", "z{4,2}"]
)
def test_patterns_that_cannot_be_read_say_why(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"[a-z]{3}"):
        text_of(pattern, Random(0))


def test_options_and_synonyms_are_decided() -> None:
    texts = {worded("[Hi, ](a|b [c]) {~x}.", {"x": ("y", "z")}, Random(seed)) for seed in range(60)}
    assert {"Hi, a y.", "b c z.", "b y."} <= texts
    assert not any(mark in text for text in texts for mark in "[](){}|~")


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 30), min_size=1), st.integers(1, 40))
def test_thin_intents_come_first(counts: dict[str, int], count: int) -> None:
    given_out = shortages(counts, per_intent=None, count=count)
    assert sum(given_out.values()) == count
    after = {intent: counts[intent] + given_out.get(intent, 0) for intent in counts}
    assert all(after[one] - 1 <= min(after.values()) for one in given_out)
    filled = shortages(counts, per_intent=10, count=None)
    assert all(counts[intent] + filled.get(intent, 0) == max(10, counts[intent]) for intent in counts)


# --- generating


def test_the_same_seed_makes_the_same(shop: Path) -> None:
    first = made(shop, "templates", "paraphrase", "noise", dry_run=True)
    assert first.made and first.made == made(shop, "templates", "paraphrase", "noise", dry_run=True).made
    assert first.made != made(shop, "templates", "paraphrase", "noise", dry_run=True, seed=1).made
    assert not (shop / REVIEW).exists()


def test_labels_and_the_rest_of_the_conversation_stay(shop: Path) -> None:
    pack = load_pack(shop)
    parents = {parent.example.id: parent for parent in training_parents(pack, load_dataset(pack))}
    report = made(shop, count=20)
    assert {entry.method for entry in report.made} == {"paraphrase", "noise"}
    for entry in report.made:
        parent = parents[entry.parent]
        assert entry.intent == parent.example.intent and entry.record["messages"][1:] == parent.messages[1:]
        assert entry.origin == f"generated:{entry.method}:0:{entry.parent}"
        assert ("A1001" in entry.request) == ("A1001" in parent.example.request)


def test_templates_fill_slots_alike_everywhere(shop: Path) -> None:
    report = made(shop, "templates", count=9)
    assert len(report.made) == 9
    for entry in report.made:
        call = entry.record["messages"][1]["tool_calls"][0]["function"]["arguments"]["order_id"]
        assert re.fullmatch(r"[B-D]\d{4}", call) and call in entry.request
        assert entry.record["messages"][2]["content"]["order"]["id"] == call
        assert entry.parent == "orders/shipped"


def test_broken_templates_name_line_and_remedy(shop: Path) -> None:
    (shop / "generate/orders.yaml").write_text(
        "slots: {a: {pattern: 'x*'}}\ntemplates:\n- intent: i\n  messages:\n"
        "  - {role: user, content: '{b} {~c}'}\n  - {}\n",
        encoding="utf-8",
    )
    with pytest.raises(PackInvalid, match=r"orders\.yaml:1 .*slots\.a"):
        load_templates(load_pack(shop))
    text = (shop / "generate/orders.yaml").read_text(encoding="utf-8").replace("x*", "x")
    (shop / "generate/orders.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(PackInvalid, match="no slot here") as caught:
        load_templates(load_pack(shop))
    assert len(caught.value.problems) == 2 and caught.value.problems[0].line == 3


def test_nothing_is_made_twice_nor_after_a_no(shop: Path) -> None:
    first = made(shop)
    reject(load_pack(shop), [first.made[0].id])
    second = made(shop)
    ids = [entry.id for entry in read_entries(shop)]
    assert len(ids) == len(set(ids)) and not {e.id for e in first.made} & {e.id for e in second.made}
    requests = Counter(normalised(entry.request) for entry in read_entries(shop))
    assert max(requests.values()) == 1


def test_evaluation_items_and_held_out_examples_do_not_leak(shop: Path) -> None:
    pack = load_pack(shop)
    dataset = load_dataset(pack)
    parent = training_parents(pack, dataset)[0]
    asked = {"role": "user", "content": "Where did parcel B2002 go, do you know?"}
    item = {"id": "e1", "kind": "reply", "intent": "x", "expect": {}, "messages": [asked]}
    (shop / "eval/cases.jsonl").write_text(json.dumps(item) + "\n", encoding="utf-8")
    sieve = Sieve(load_pack(shop), dataset, judge_of(pack))
    held = dataset.split("valid")[0]
    for text in ("where did parcel B3003 go, do you know", held.request.upper()):
        messages = ({**parent.messages[0], "content": text}, *parent.messages[1:])
        why = sieve.refusal(Candidate("paraphrase", 0, "p", parent.example.intent, messages))
        assert why.startswith("would leak"), (text, why)


def test_replies_that_the_checks_refuse_are_never_offered(shop: Path) -> None:
    async def ask(messages: Sequence[Message], seed: int) -> str:
        lines = [
            {"request": f"do you close early on {day}", "reply": "We close at 3:15 pm."}
            for day in ("Monday", "Friday")
        ]
        return "\n".join(map(json.dumps, lines))

    report = made(shop, "self-instruct", ask=ask, count=6)
    assert not any("3:15" in json.dumps(entry.record) for entry in report.made)
    assert any("grounded" in why for why in report.refused)


# --- self-instruct


def writer(prefix: str) -> Any:
    async def ask(messages: Sequence[Message], seed: int) -> str:
        shown = json.loads(next(line for line in messages[-1].content.splitlines() if line.startswith("{")))
        keep = re.search(r'keep: \["(.*?)"\]', messages[-1].content)
        rest = f" about {keep[1]}" if keep else ""
        return "\n".join(
            [
                "Sure!",
                "```json",
                json.dumps({**shown, "request": f"{prefix} {seed} colour {seed % 97}{rest}"}),
                "```",
            ]
        )

    return ask


def test_a_model_writes_requests_and_the_calls_stay(shop: Path) -> None:
    report = made(shop, "self-instruct", ask=writer("my neighbour wonders"), count=6)
    assert len(report.made) >= 3
    for entry in report.made:
        assert entry.origin.startswith("generated:self-instruct:0:")
        calls = [call for message in entry.record["messages"] for call in message.get("tool_calls", ())]
        assert all(json.loads(call["function"]["arguments"])["order_id"] in entry.request for call in calls)


def test_a_request_without_the_id_of_its_call_is_refused(shop: Path) -> None:
    async def ask(messages: Sequence[Message], seed: int) -> str:
        return json.dumps({"request": f"what became of my purchase number {seed}"})

    report = made(shop, "self-instruct", ask=ask, per_intent=20)
    assert not any(entry.intent == "order_status" for entry in report.made)
    assert any("does not occur before the call" in why for why in report.refused)


def test_a_model_that_fails_later_keeps_what_was_made(shop: Path) -> None:
    asked = 0

    async def ask(messages: Sequence[Message], seed: int) -> str:
        nonlocal asked
        asked += 1
        if asked > 1:
            raise EngineUnavailable("gone")
        return str(await writer("someone asks")(messages, seed))

    report = made(shop, "self-instruct", ask=ask, per_intent=14)
    assert report.made and "gone" in report.notes[0] and len(read_entries(shop)) == len(report.made)
    asked = 5
    with pytest.raises(EngineUnavailable):
        made(shop, "self-instruct", ask=ask, per_intent=30)


@given(st.text(max_size=300))
def test_any_answer_is_parsed(shop_parent: Any, answer: str) -> None:
    hostile = ["{" * 3000, '{"request": "<|im_end|>"}', '{"request": 5}', '{"request": "a\\u0000b"}', answer]
    assert list(parse_answer("\n".join(hostile[:4]), shop_parent, 0)) == []
    list(parse_answer(answer, shop_parent, 0))


@pytest.fixture(scope="module")
def shop_parent(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from tiny import write_pack

    pack = load_pack(write_pack(tmp_path_factory.mktemp("p") / "shop"))
    return training_parents(pack, load_dataset(pack))[0]


# --- reviewing


def test_accepting_moves_examples_once(shop: Path) -> None:
    report = made(shop, "templates", "paraphrase", "noise")
    ids = [entry.id for entry in report.made[:3]]
    before = len(load_dataset(load_pack(shop)))
    assert decide(shop, ids).done == tuple(ids)
    assert decide(shop, ids).before == tuple(ids)
    dataset = load_dataset(load_pack(shop))
    assert len(dataset) == before + 3
    assert {example.split for example in dataset.examples if example.origin.startswith("generated:")} == {
        "train"
    }
    assert [entry.status for entry in read_entries(shop)].count("accepted") == 3
    assert not any(parent.example.id in ids for parent in training_parents(load_pack(shop), dataset))


def test_held_out_examples_stay_held_out(shop: Path) -> None:
    held = [example.id for example in load_dataset(load_pack(shop)).split("valid")]
    made(shop, "templates", "paraphrase", "noise", count=40)
    decide(shop, all_passing=True)
    assert [example.id for example in load_dataset(load_pack(shop)).split("valid")] == held


def test_an_example_that_fails_now_is_refused(shop: Path) -> None:
    report = made(shop, "paraphrase", count=40)
    (shop / "knowledge/returns.md").rename(shop / "knowledge/sending-back.md")
    lines = (shop / "data/train.jsonl").read_text(encoding="utf-8")
    (shop / "data/train.jsonl").write_text(lines.replace('["returns"]', '["sending-back"]'), encoding="utf-8")
    bad = [entry.id for entry in report.made if entry.intent == "returns"]
    assert bad
    with pytest.raises(DataInvalid, match="unknown article"):
        decide(shop, bad[:1])
    assert not (shop / ACCEPTED).exists()
    decision = decide(shop, all_passing=True)
    assert set(decision.refused) == set(bad) and len(decision.done) == len(report.made) - len(bad)


def test_unclear_and_unknown_ids(shop: Path) -> None:
    made(shop)
    for ids, why in ((["zzz"], "is not in"), (["gen-"], "fits")):
        with pytest.raises(ConfigError, match=why):
            decide(shop, ids)


def test_a_broken_review_file_names_its_line(shop: Path) -> None:
    made(shop)
    with (shop / REVIEW).open("a", encoding="utf-8") as file:
        file.write('{"status": "waiting", "example": {"messages": [5]}}\n')
    with pytest.raises(DataInvalid, match=r"generated\.jsonl:13"):
        read_entries(shop)


KILL = """
import os, sys, pathlib
from senmon.dataset.generation import reviewing, review_file
from senmon.dataset.loading import load_dataset
from senmon.packs import atomic
from senmon.packs.loader import load_pack
pack = load_pack(pathlib.Path(sys.argv[2]))
dataset = load_dataset(pack)
if sys.argv[1] == "in the data":
    review_file.json.dumps = lambda *a, **k: os._exit(9)
else:
    reviewing.write_entries = lambda *a: os._exit(9)
reviewing.accept(pack, dataset, lambda messages: (), [], all_passing=True)
"""


@pytest.mark.parametrize("when", ["in the data", "between data and review"])
def test_a_kill_while_accepting_loses_and_doubles_nothing(shop: Path, when: str) -> None:
    report = made(shop)
    before = len(load_dataset(load_pack(shop)))
    done = subprocess.run([sys.executable, "-c", KILL, when, str(shop)], check=False, env=dict(os.environ))
    assert done.returncode == 9
    assert len(load_dataset(load_pack(shop))) == before + (
        len(report.made) if when.startswith("between") else 0
    )
    decide(shop, all_passing=True)
    assert len(load_dataset(load_pack(shop))) == before + len(report.made)
    assert {entry.status for entry in read_entries(shop)} == {"accepted"}
