"""The shipped pack `support`: it loads, its data is right, its files agree with each other."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from senmon.bases.catalog import resolve
from senmon.checks.protocol import CheckContext
from senmon.checks.registry import build_checks
from senmon.dataset.example import Dataset
from senmon.dataset.loading import load_dataset
from senmon.dataset.normal_form import request_key
from senmon.evaluation.suite import ReplyExpectation, load_suites
from senmon.messages import Conversation, Message, Passage
from senmon.packs.loader import load_pack
from senmon.packs.pack import Pack
from senmon.rendering import (
    fill_references,
    filled_answer,
    flatten_facts,
    prefix_message,
    references,
)

FOLDER = Path(__file__).parents[2] / "domains" / "support"
REFERENCE = re.compile(r"\[\[[\w.]+\]\]")
FIGURE = re.compile(r"\d|[€$£%]")


@pytest.fixture(scope="module")
def pack() -> Pack:
    return load_pack(FOLDER)


@pytest.fixture(scope="module")
def dataset(pack: Pack) -> Dataset:
    return load_dataset(pack)


def test_it_is_large_and_varied(pack: Pack, dataset: Dataset) -> None:
    assert len(dataset.split("train")) >= 2500
    assert len(dataset.split("valid")) >= 100
    assert len(dataset.split("test")) >= 100
    assert len(dataset.intents()) >= 20
    assert min(dataset.intents().values()) >= 15
    assert len(pack.articles) >= 40
    assert len(pack.negatives) >= 80
    assert len({pack.manifest.licence, *(example.licence for example in dataset.examples)}) == 1


def test_replies_are_short_and_hold_no_figure(dataset: Dataset) -> None:
    for reply in replies(dataset):
        assert not FIGURE.search(REFERENCE.sub("", reply.content)), reply.content
        assert len(reply.content.split()) <= 40, reply.content


def replies(dataset: Dataset) -> list[Message]:
    return [each for example in dataset.examples for each in example.messages if each.role == "assistant"]


def test_every_article_is_asked_about_and_every_action_is_called(pack: Pack, dataset: Dataset) -> None:
    answered = set()
    for example in dataset.examples:
        for shown, reply in zip(example.messages, example.messages[1:], strict=False):
            if shown.name == "context" and "[[answer." in reply.content:
                place = references(reply.content)[0].removeprefix("answer.")
                answered.update(re.findall(rf"\[\[answer.{place}\]\] (.+?): ", shown.content))
    assert answered == {article.title for article in pack.articles}
    assert {call.name for reply in replies(dataset) for call in reply.tool_calls} == set(pack.actions)


def test_facts_stand_in_the_text_and_have_names_of_their_own(pack: Pack) -> None:
    names = [fact for article in pack.articles for fact in article.facts]
    assert len(names) == len(set(names))
    for article in pack.articles:
        assert article.questions, article.id
        for fact, value in article.facts.items():
            assert value in article.text, f"{article.id}: {fact}"
        assert set(references(article.answer)) == {f"article.{fact}" for fact in article.facts}, article.id
        assert len(article.answer.split()) <= 45, article.id


def test_answers_say_what_their_article_says(pack: Pack) -> None:
    """By the check that guards replies: with the article alone as evidence."""
    grounded = next(
        each for each in build_checks(pack.manifest.checks, system=pack.system) if each.name == "grounded"
    )
    for article in pack.articles:
        plain = replace(article.passage(), answer="")
        verdict = grounded.judge("", filled_answer(article.passage()), CheckContext((), (plain,), {}))
        assert verdict.outcome == "pass", f"{article.id}: {verdict.reason}"


def test_declines_are_a_realistic_share(dataset: Dataset) -> None:
    texts = [each.content for each in replies(dataset)]
    answers = sum("[[answer." in each for each in texts)
    declines = sum("my articles" in each for each in texts)
    assert answers > 1000
    assert 0.1 < declines / (answers + declines) < 0.2


def test_a_second_passage_answers_too(dataset: Dataset) -> None:
    """The order of passages must not be all that is learnt."""
    texts = [each.content for each in replies(dataset)]
    second, first = (sum(f"[[answer.{place}]]" in each for each in texts) for place in (2, 1))
    assert 0.06 < second / first < 0.5


def test_context_comes_with_orders_too_and_may_be_missing(dataset: Dataset) -> None:
    """Retrieval runs on every message: an article beside an order must not confuse the model."""
    orders = [example for example in dataset.examples if example.intent == "order_status"]
    beside = [example for example in orders if any(each.name == "context" for each in example.messages)]
    assert 0.25 < len(beside) / len(orders) < 0.97


def test_the_prefix_is_short(pack: Pack) -> None:
    tokenizer = Tokenizer.from_file(str(resolve("embedded").path / "tokenizer.json"))
    assert len(tokenizer.encode(prefix_message(pack).content).ids) <= 300


def test_the_generator_reproduces_the_data(tmp_path: Path) -> None:
    command = [sys.executable, str(FOLDER / "tools" / "generate.py"), str(tmp_path)]
    environment = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "7"}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_bytes() for path in (FOLDER / "data").iterdir()}
    assert made == kept


def test_the_suite_asks_in_other_words(pack: Pack, dataset: Dataset) -> None:
    items = load_suites(pack)
    asked = [item for item in items if getattr(item.expect, "action", None)]
    assert len(items) >= 400
    assert len(asked) >= 300
    assert {getattr(item.expect, "action", None) for item in asked} == set(pack.actions)
    assert {item.kind for item in items} == {"action", "reply", "route"}
    users = [each for e in dataset.examples for each in e.messages if each.role == "user"]
    trained = {request_key(each.content) for each in users}
    known = {request_key(question) for article in pack.articles for question in article.questions}
    for item in items:
        assert request_key(item.messages[0].content) not in trained | known, item.id


def test_references_of_the_suite_exist(pack: Pack) -> None:
    for item in load_suites(pack):
        if isinstance(item.expect, ReplyExpectation):
            said = "\n".join(message.content for message in item.messages if message.role == "tool")
            shown = [article for article in pack.articles if f"] {article.title}: " in said]
            by_answer = {name for article in shown for name in references(article.answer)}
            for name in set(item.expect.references) - by_answer:
                group, _, leaf = name.rpartition(".")
                assert f"[[{name}]]" in said or (group and f'"{leaf}":' in said), item.id


def test_negatives_are_not_trained_on(pack: Pack, dataset: Dataset) -> None:
    opened = {request_key(example.messages[0].content) for example in dataset.examples}
    assert not opened & {request_key(text) for text in pack.negatives}


def test_fixed_texts_agree_with_the_data(pack: Pack, dataset: Dataset) -> None:
    """Where the server says a fixed text, the data teaches the same words."""
    texts = pack.manifest.texts
    after = {
        "sign_in_required": texts.sign_in,
        "action_failed": texts.failed,
        "handoff": texts.handoff,
    }
    seen = set()
    for example in dataset.examples:
        for result, reply in zip(example.messages, example.messages[1:], strict=False):
            key = outcome(result)
            if key in after:
                assert reply.content == after[key]
                seen.add(key)
    assert seen == set(after)


def test_every_reply_passes_the_checks_of_the_pack(pack: Pack, dataset: Dataset) -> None:
    checks = build_checks(pack.manifest.checks, system=pack.system)
    assert {check.name for check in checks} >= {"references", "grounded", "safety"}
    lines = [json.loads(line) for path in pack.data_files for line in path.open(encoding="utf-8")]
    articles = {article.id: article.passage() for article in pack.articles}
    for line, example in zip(lines, dataset.examples, strict=True):
        state = Conversation()
        passages: tuple[Passage, ...] = ()
        for index, (raw, message) in enumerate(zip(line["messages"], example.messages, strict=True)):
            if raw.get("passages"):
                passages = tuple(articles[name] for name in raw["passages"])
                state = state.with_facts(flatten_facts({}, passages))
            elif message.role == "user":
                state = state.without_answers()
            elif message.role == "tool":
                state = state.with_facts(flatten_facts(json.loads(message.content)))
            elif message.role == "assistant" and message.content:
                text, missing = fill_references(message.content, state.facts)
                context = CheckContext(example.messages[:index], passages, state.facts)
                verdicts = [check.judge("", text, context) for check in checks]
                assert not missing, example.id
                assert {verdict.outcome for verdict in verdicts} == {"pass"}, f"{example.id}: {verdicts}"


def outcome(message: Message) -> str:
    if message.role != "tool" or message.name == "context":
        return ""
    result = json.loads(message.content)
    return "handoff" if "handoff" in result else str(result.get("error", ""))
