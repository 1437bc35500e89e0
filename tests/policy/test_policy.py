"""The policy: what a message makes likely, learnt from conversations, stored beside an adapter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from senmon.dataset.example import Dataset, Example
from senmon.dataset.hinting import hinted, insert, learn
from senmon.embedding import Encoder
from senmon.errors import AdapterCorrupt, AdapterMismatch, ConfigError
from senmon.messages import Message, ToolCall
from senmon.packs.manifest import ActionSpec
from senmon.policy.artifact import FILE, load, save
from senmon.policy.fitting import TooFewError, fit, fold_of, out_of_fold
from senmon.policy.model import Policy, named
from senmon.policy.situation import Situation, move, points, situation
from senmon.rendering import context_message

ASKED = {"type": "object", "properties": {"reason": {"type": "string", "enum": ["asked", "angry"]}}}
ACTIONS = {
    "track": ActionSpec(name="track", description="where it is"),
    "person": ActionSpec(name="person", description="hand over", parameters=ASKED),
}
TRACK = (
    "where is my parcel",
    "has it been sent",
    "track my order",
    "when will it arrive",
    "is it on its way",
)
PERSON = (
    "a human please",
    "let me talk to someone",
    "get me an agent",
    "I want a person",
    "your manager now",
)
ANSWER = (
    "how do I return it",
    "what does delivery cost",
    "do you ship abroad",
    "how long is the warranty",
    "which sizes",
)


def call(name: str, **arguments: str) -> Message:
    return Message("assistant", "", (ToolCall("c", name, arguments),))


def talk(text: str, reply: Message, number: int, split: str = "train") -> Example:
    return Example(f"e{number}", (Message("user", text), reply), "x", split)  # type: ignore[arg-type]


def dataset(copies: int = 2) -> Dataset:
    rows = [(text, call("track")) for text in TRACK]
    rows += [(text, call("person", reason="asked")) for text in PERSON]
    rows += [(text, Message("assistant", "[[answer.1]]")) for text in ANSWER]
    examples = [talk(text, reply, at) for at, (text, reply) in enumerate(rows * copies)]
    examples.append(talk("where has my order gone", call("track"), 900, "valid"))
    return Dataset(tuple(examples))


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    found = Encoder.find()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def policy(encoder: Encoder) -> Policy:
    every = [point for each in dataset().split("train") for point in points(each.messages, ACTIONS)]
    return fit([each.situation for each in every], [each.move for each in every], encoder)


def test_a_move_is_the_action_with_its_enumerated_arguments_or_the_kind_of_text() -> None:
    assert move(call("person", reason="angry"), ACTIONS) == "person angry"
    assert move(call("track", order="A1"), ACTIONS) == "track"
    assert move(Message("assistant", "Sure. [[answer.2]]"), ACTIONS) == "answer"
    assert move(Message("assistant", "Hello!"), ACTIONS) == "reply"


def test_a_situation_knows_the_reply_before_and_the_action_called_last() -> None:
    said = (
        Message("user", "where is A1"),
        call("track"),
        Message("tool", "{}", name="track"),
        Message("assistant", "On its way."),
        Message("user", "thanks"),
        Message("assistant", "You're welcome."),
    )
    assert situation(said[:5]) == Situation("thanks", "On its way.", "track")
    assert [(each.at, each.move) for each in points(said, ACTIONS)] == [(0, "track"), (4, "reply")]
    with pytest.raises(ValueError, match="no user message"):
        situation((Message("assistant", "Hello"),))


def test_it_says_what_new_words_make_likely(policy: Policy) -> None:
    assert policy.likely(Situation("could you track the parcel for me"))[0] == "track"
    assert policy.likely(Situation("I would like to talk to a human being"))[0] == "person asked"
    assert sum(policy.probabilities(Situation("x")).values()) == pytest.approx(1.0, abs=1e-5)


def test_one_move_is_named_when_it_is_clear_else_two() -> None:
    assert named({"a": 0.1, "b": 0.85, "c": 0.05}) == ("b",)
    assert named({"a": 0.3, "b": 0.5, "c": 0.2}) == ("b", "a")


def test_near_twins_share_a_fold_and_hints_of_training_examples_come_from_the_other_folds(
    encoder: Encoder,
) -> None:
    texts = [
        "where is order A1001",
        "where is order A2002",
        "Where is order A3003?",
        *TRACK,
        *PERSON,
        *ANSWER,
    ]
    folds = fold_of(texts, encoder)
    assert len(set(folds[:3])) == 1 and len(set(folds)) > 1
    # A group that is told apart by itself alone can't be told by the others: its own hints must be wrong.
    odd = ["xylophone quartz"] * 12
    situations = [Situation(text) for text in (*TRACK, *PERSON, *ANSWER, *odd)]
    moves = ["track"] * 5 + ["person"] * 5 + ["answer"] * 5 + ["odd"] * 12
    told = out_of_fold(situations, moves, encoder)
    assert all("odd" not in each for each in told[15:])
    assert fit(situations, moves, encoder).likely(Situation("xylophone quartz"))[0] == "odd"


def test_too_little_is_no_policy(encoder: Encoder) -> None:
    with pytest.raises(TooFewError):
        fit([Situation("a")] * 30, ["same"] * 30, encoder)
    with pytest.raises(ConfigError, match="too little"):
        learn(dataset(copies=1), ACTIONS, encoder)
    with pytest.raises(ConfigError, match="sentence encoder"):
        learn(dataset(), ACTIONS, None)


def test_the_file_gives_the_same_policy_again(policy: Policy, encoder: Encoder, tmp_path: Path) -> None:
    save(policy, tmp_path / FILE)
    read = load(tmp_path, encoder)
    assert read is not None
    for text in (*TRACK, *PERSON, "anything"):
        assert read.probabilities(Situation(text)) == policy.probabilities(Situation(text))
    assert load(tmp_path / "nowhere", encoder) is None


def test_a_damaged_or_foreign_file_is_refused(policy: Policy, encoder: Encoder, tmp_path: Path) -> None:
    path = tmp_path / FILE
    save(policy, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(AdapterCorrupt):
        load(tmp_path, encoder)
    path.write_bytes(whole.replace(encoder.digest.encode(), b"0" * len(encoder.digest)))
    with pytest.raises(AdapterMismatch):
        load(tmp_path, encoder)
    bad = Policy(
        policy.moves, policy.actions, policy.dense, policy.words, policy.bias * np.float32("nan"), encoder
    )
    save(bad, path)
    with pytest.raises(AdapterCorrupt, match="shapes"):
        load(tmp_path, encoder)


def test_hints_stand_in_the_context_message_as_serving_writes_it(policy: Policy) -> None:
    passages = Message("tool", "# Title\ntext", name="context")
    told = insert((Message("user", "hi"), passages, call("track")), {0: ("track",)})
    assert told[1] == Message("tool", "# Title\ntext\nlikely: track", name="context")
    alone = insert((Message("user", "hi"), call("track")), {0: ("track", "answer")})
    assert alone[1] == context_message((), likely=("track", "answer"))
    last = hinted((Message("user", "track my parcel please"),), policy)
    assert last[-1].content.startswith("likely: track")


def test_learning_gives_every_user_turn_of_the_dataset_a_hint(encoder: Encoder) -> None:
    policy, taught = learn(dataset(), ACTIONS, encoder)
    assert set(policy.moves) == {"track", "person asked", "answer"}
    for example in taught.examples:
        assert example.messages[1].content.startswith("likely: ")
    assert taught.split("valid")[0].messages[1].content.startswith("likely: track")
    assert [each.id for each in taught.examples] == [each.id for each in dataset().examples]
