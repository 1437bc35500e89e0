import importlib.util
import re
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from senmon.assistant.candidates import candidates
from senmon.bases.catalog import load_tokenizer, resolve
from senmon.checks.maths import MathsCheck
from senmon.checks.maths_spans import find_spans
from senmon.checks.no_telling import NoTellingCheck
from senmon.checks.protocol import CheckContext
from senmon.dataset.example import Dataset
from senmon.dataset.hygiene import conflicts, exact_duplicates, suite_leaks
from senmon.dataset.loading import load_dataset
from senmon.dataset.report import count_dataset
from senmon.evaluation.suite import ActionExpectation, load_suites
from senmon.messages import Message
from senmon.packs.loader import load_pack
from senmon.packs.pack import Pack
from senmon.readiness.coverage import distinct_requests
from senmon.rendering import Renderer, fill_references, prefix_message

TUTOR = Path(__file__).parents[2] / "domains" / "tutor"


@pytest.fixture(scope="module")
def pack() -> Pack:
    return load_pack(TUTOR)


@pytest.fixture(scope="module")
def dataset(pack: Pack) -> Dataset:
    return load_dataset(pack)


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tutor_generator", TUTOR / "tools" / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_committed_data_is_what_the_generator_makes(generator: ModuleType) -> None:
    for name, records in generator.make_all().items():
        made = generator.rendered(records)
        assert made == (TUTOR / "data" / name).read_text(encoding="utf-8"), (
            f"run tools/generate.py: {name} differs"
        )


def test_there_is_enough_and_it_is_clean(pack: Pack, dataset: Dataset) -> None:
    counts = count_dataset(pack, dataset)
    assert counts.examples >= 1500
    assert not exact_duplicates(dataset) and not conflicts(dataset)
    assert not suite_leaks(dataset, pack.suite_files)
    assert min(distinct_requests(pack, dataset).values()) >= 8
    assert (counts.uncalled_actions, counts.unused_articles) == ((), ())
    assert len(pack.articles) >= 15
    assert len(pack.negatives) >= 80


def test_the_prompt_is_short_and_examples_fit(pack: Pack, dataset: Dataset) -> None:
    renderer = Renderer(load_tokenizer(resolve()))
    prefix = prefix_message(pack)
    assert len(renderer.turn(prefix).ids) <= 250
    longest = max(dataset.examples, key=lambda example: sum(len(m.content) for m in example.messages))
    assert len(renderer.example((prefix, *longest.messages)).ids) <= pack.manifest.recipe.max_tokens


def replies(dataset: Dataset) -> list[str]:
    return [m.content for e in dataset.examples for m in e.messages if m.role == "assistant" and m.content]


def test_replies_hold_no_maths_of_their_own(dataset: Dataset) -> None:
    for reply in replies(dataset):
        assert not re.search(r"\d", reply), reply
        assert not find_spans(re.sub(r"\[\[[\w.]+\]\]", "", reply)), reply
        assert len(reply.split()) <= 40


def test_articles_hold_true_maths_and_no_secret(pack: Pack) -> None:
    for article in pack.articles:
        assert set(article.facts) == {"idea", "example"}
        text = f"{article.facts['idea']} {article.facts['example']}"
        context = CheckContext(passages=(article.passage(),), slots={"problem": "3x − 7 = 11"})
        verdict = MathsCheck().judge("", text, context)
        assert verdict.outcome == "pass", verdict
        secret = {"open": True, "problem": "9x = 27", "answer": ["3", "6", "7", "5/6", "3/4"]}
        told = NoTellingCheck().judge("", text, CheckContext(passages=context.passages, slots=secret))
        assert told.outcome == "pass", (article.id, told)


def test_training_replies_pass_the_maths_check_when_filled(dataset: Dataset, pack: Pack) -> None:
    from senmon.rendering import flatten_facts

    check = MathsCheck()
    for example in dataset.examples[::3]:
        facts: dict[str, str] = {}
        problem = ""
        for message in example.messages:
            if message.role == "tool" and message.tool_call_id:
                result = __import__("json").loads(message.content)
                facts |= flatten_facts(result)
                problem = facts.get("problem.text", "")
            elif message.role == "assistant" and message.content and "[[article" not in message.content:
                text, missing = fill_references(message.content, facts)
                assert not missing
                verdict = check.judge("", text, CheckContext(example.messages, slots={"problem": problem}))
                assert verdict.outcome == "pass", (text, problem, verdict)


def test_the_suite_is_held_out_and_its_arguments_can_be_chosen(pack: Pack, dataset: Dataset) -> None:
    items = load_suites(pack)
    assert len(items) >= 80
    assert {item.kind for item in items} == {"action", "reply", "route"}
    trained = {example.messages[0].content.lower() for example in dataset.examples}
    assert not [item.id for item in items if item.messages[-1].content.lower() in trained]
    for item in items:
        if isinstance(item.expect, ActionExpectation):
            choice = candidates(tuple(pack.actions.values()), item.messages)
            for name, value in item.expect.arguments.items():
                assert value in choice[name], item.id


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("pls solve 3x-7=11", "3x-7=11"),
        ("Solve 3x - 7 = 11.", "3x - 7 = 11"),
        ("what is 20% of 80?", "20% of 80"),
        ("7 x 8 = ?", "7 x 8"),
        ("can I do 3x+2=8", "3x+2=8"),
        ("1 1/2 + 2/3 please", "1 1/2 + 2/3"),
        ("evaluate 2x+1 when x = 3", "2x+1 when x = 3"),
        ("what's 3 squared", "3 squared"),
        ("help with x^2 - 3x - 4 = 0 please", "x^2 - 3x - 4 = 0"),
        ("12 divided by 4", "12 divided by 4"),
        ("I have 3 problems", None),
    ],
)
def test_the_problem_is_found_in_the_pupils_words(pack: Pack, text: str, problem: str | None) -> None:
    found = candidates(tuple(pack.actions.values()), [Message("user", text)])["problem"]
    assert found == ((problem,) if problem else ())


@pytest.mark.parametrize(
    ("text", "attempt"),
    [
        ("is it 6?", "6"),
        ("x is 6", "x is 6"),
        ("I think x = 4 or x = -1", "x = 4 or x = -1"),
        ("minus two", "minus two"),
        ("4, -1", "4, -1"),
        ("is 3 a solution", "3"),
        ("then 2x = 10", "2x = 10"),
        ("a half", "a half"),
        ("1 1/2", "1 1/2"),
    ],
)
def test_the_attempt_is_found_in_the_pupils_words(pack: Pack, text: str, attempt: str) -> None:
    assert candidates(tuple(pack.actions.values()), [Message("user", text)])["attempt"][0] == attempt


def test_results_are_not_copied(pack: Pack) -> None:
    result = '{"verdict": "wrong", "feedback": {"text": "No."}, "hint": {"text": "So x = 18 ÷ 3."}}'
    messages = [Message("user", "x = 5"), Message("tool", result, tool_call_id="c", name="check_answer")]
    found = candidates(tuple(pack.actions.values()), messages)
    assert found == {"problem": ("x = 5",), "attempt": ("x = 5",), "topic": ()}


@pytest.mark.parametrize(
    "text", ["x " * 2000, "1.1" * 1500, "(" * 3000, "x=x=" * 1000, "3x+" * 1300, "one " * 1000, "1 1/" * 900]
)
def test_the_patterns_take_no_time(pack: Pack, text: str) -> None:
    start = time.monotonic()
    candidates(tuple(pack.actions.values()), [Message("user", text)])
    assert time.monotonic() - start < 2
