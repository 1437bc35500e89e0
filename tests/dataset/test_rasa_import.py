"""A Rasa bot → a pack: what is carried over, what is listed, what is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rasa_bots import DOMAIN, MARKDOWN_BOT, NLU, STORIES, YAML_BOT, write_bot
from senmon.dataset.example import Dataset
from senmon.dataset.loading import load_dataset
from senmon.dataset.rasa.annotated import read_example
from senmon.dataset.rasa.bot import Bot
from senmon.dataset.rasa.importing import RasaOptions, RasaReport, import_rasa
from senmon.dataset.rasa.markdown_files import read_nlu_markdown
from senmon.dataset.rasa.pack_plan import Choices
from senmon.dataset.routing import routing_examples
from senmon.errors import DataInvalid, PackExists, PackInvalid
from senmon.evaluation.suite import load_suites
from senmon.packs.loader import load_pack
from senmon.packs.pack import Pack


def imported(tmp_path: Path, files: dict[str, str], **options: Any) -> tuple[Pack, Dataset, RasaReport]:
    bot = write_bot(tmp_path / "bot", files)
    report = import_rasa(bot, tmp_path / "packs" / "travel", RasaOptions(**options))
    pack = load_pack(tmp_path / "packs" / "travel")
    return pack, load_dataset(pack), report


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pack, Dataset, RasaReport]:
    return imported(tmp_path_factory.mktemp("made"), YAML_BOT)


def noted(report: RasaReport, kind: str) -> str:
    return "\n".join(str(note) for note in report.notes if note.kind == kind)


# --- what is carried over


def test_intents_become_routes_with_every_nlu_example(made: tuple[Pack, Dataset, RasaReport]) -> None:
    pack, dataset, report = made
    held_out = {(one.request, one.intent) for one in dataset.examples if one.split != "train"}
    known = {*routing_examples(dataset, pack.requests), *held_out}
    wanted = {
        ("hello", "greet"),
        ("take me to Rome", "book"),
        ("a big one please", "book"),
        ("what does it cost", "faq/ask_price"),
        ("yes", "affirm"),
        ("no", "deny"),
        ("tiny", "inform"),
        ("weather in Rome for 1234", "weather"),
    }
    assert wanted <= known
    assert report.source["NLU examples"] == 18
    assert len({*known, *((text, "out_of_scope") for text in pack.negatives)}) == 18
    assert pack.negatives == ("order a pizza",)
    assert {"affirm", "deny", "greet", "inform"} <= set(pack.manifest.routing.always)


def test_rules_and_responses_answer_single_requests(made: tuple[Pack, Dataset, RasaReport]) -> None:
    _, dataset, _ = made
    replies = {one.request: one.messages[1] for one in dataset.examples if len(one.messages) == 2}
    assert replies["what does it cost"].content == "It costs ten."
    assert replies["when do you open"].content == "We open at nine."
    assert replies["book a trip"].content == "Where to?"
    assert replies["take me to Rome"].content == "How large?"
    call = replies["weather in Rome for 1234"].tool_calls[0]
    assert (call.name, call.arguments) == ("action_weather", {"to_city": "Rome"})
    greetings = {one.messages[1].content for one in dataset.examples if one.intent == "greet"}
    assert greetings <= {"Hello you!", "Good day!"}, "channel and conditional variations are not learnt"


def test_forms_become_questions_answers_and_a_call(made: tuple[Pack, Dataset, RasaReport]) -> None:
    pack, dataset, _ = made
    calls = [
        (call.arguments, [message.content for message in one.messages])
        for one in dataset.examples
        for message in one.messages
        for call in message.tool_calls
        if call.name == "action_book"
    ]
    assert len(calls) > 5
    assert {arguments["size"] for arguments, _ in calls} == {"small", "large"}
    assert {arguments["sure"] for arguments, _ in calls} == {True, False}
    for arguments, said in calls:
        assert f"Book {arguments['size']} to {arguments['to_city']}?" in said
        assert {"Where to?", "How large?"} & set(said)
    parameters = pack.actions["action_book"].parameters
    assert parameters["required"] == ["to_city", "size", "sure"]
    assert parameters["properties"]["size"] == {"type": "string", "enum": ["small", "large"]}
    assert parameters["properties"]["sure"] == {"type": "boolean"}
    ended = [one for one in dataset.examples if one.messages[-1].content == "Have a good trip."]
    assert ended, "what follows the submission is said after its result"


def test_an_interrupted_form_asks_again(made: tuple[Pack, Dataset, RasaReport]) -> None:
    _, dataset, _ = made
    booked = [one.messages for one in dataset.examples if one.intent == "book"]
    interrupted = [said for said in booked if len(said) > 5 and "weather" in said[2].content]
    assert interrupted
    for said in interrupted:
        assert said[3].tool_calls[0].name == "action_weather"
        # Who asks about the weather somewhere has named the city: then the next question follows.
        assert said[5].content in (said[1].content, "How large?", "Book large to Rome?")


def test_checkpoints_and_alternatives_make_every_way(made: tuple[Pack, Dataset, RasaReport]) -> None:
    _, dataset, report = made
    second = Counter(
        one.messages[2].content for one in dataset.examples if one.intent == "greet" and len(one.messages) > 3
    )
    assert {"how is the weather", "what does it cost"} & set(second)
    assert "no story leads to its checkpoint `nowhere`" in noted(report, "story")


def test_synonyms_roles_and_regexes_reach_the_arguments(made: tuple[Pack, Dataset, RasaReport]) -> None:
    _, dataset, report = made
    texts = json.dumps(
        [call.arguments for one in dataset.examples for m in one.messages for call in m.tool_calls]
    )
    assert "eternal" not in texts and '"tiny"' not in texts
    assert "regex `phone`" in noted(report, "regex")


def test_a_regex_chooses_the_argument_of_its_name(tmp_path: Path) -> None:
    nlu = NLU.replace("for 1234", "for [1234](phone)")
    pack, _, _ = imported(tmp_path, {**YAML_BOT, "data/nlu.yml": nlu})
    assert pack.actions["action_weather"].candidates == {"phone": r"(?:\d{4})"}


def test_responses_keep_rasas_form_and_buttons_say_words(made: tuple[Pack, Dataset, RasaReport]) -> None:
    from senmon.actions.responses import load_responses

    pack, _, report = made
    responses = load_responses(pack.path)
    assert len(responses.raw) == report.source["responses"] == 10
    rendered = responses.render("utter_ask_book_form_size", {})
    assert rendered["buttons"][0] == {"title": "Small please", "payload": "Small please"}
    assert responses.render("utter_greet", {"tier": "Gold", "name": "Ann"})["text"] == "Dear gold"
    assert responses.render("utter_greet", {"name": "Ann"})["text"] == "Hello Ann!"
    assert responses.render("utter_booked", {})["image"] == "https://example.com/trip.png"


def test_test_stories_become_a_suite_and_stay_out_of_training(made: tuple[Pack, Dataset, RasaReport]) -> None:
    pack, dataset, _ = made
    items = {(item.kind, item.messages[-1].content): item.expect for item in load_suites(pack)}
    assert items["reply", "what is the price"].contains == ("It costs ten.",)  # type: ignore[union-attr]
    action = items["action", "weather in Rome"]
    assert (action.action, action.arguments) == ("action_weather", {"to_city": "Rome"})  # type: ignore[union-attr]
    assert items["route", "a pizza"].pack is None  # type: ignore[union-attr]
    assert items["route", "weather in Rome"].pack == "travel"  # type: ignore[union-attr]
    assert ("reply", "a pizza") not in items
    assert "weather in Rome" not in {one.request for one in dataset.examples}


def test_markdown_bots_of_1x_are_read(tmp_path: Path) -> None:
    pack, dataset, report = imported(tmp_path, MARKDOWN_BOT)
    assert report.source["NLU examples"] == 6 and report.source["lookup values"] == 2
    requests = {one.request for one in dataset.examples}
    assert {"hello", "what is in Rome", "and [N26] here", "bye"} <= requests
    calls = {
        json.dumps(dict(call.arguments))
        for one in dataset.examples
        for message in one.messages
        for call in message.tool_calls
    }
    assert '{"city": "Rome"}' in calls and '{"city": "Bari"}' in calls
    assert {one.messages[-1].content for one in dataset.examples if one.intent == "bye"} <= {
        "Goodbye",
        "So long",
    }
    assert not any("hidden" in text for text in requests)
    assert pack.actions["action_ask_city"].parameters["properties"] == {
        "city": {"type": "string", "maxLength": 200}
    }


# --- actions


def test_actions_without_python_run_on_a_server(
    made: tuple[Pack, Dataset, RasaReport], tmp_path: Path
) -> None:
    pack, _, _ = made
    assert (pack.manifest.actions.runtime, pack.manifest.actions.url) == (
        "server",
        "http://127.0.0.1:5055/webhook",
    )
    assert "rasa_sdk --actions actions" in (pack.path / "README.md").read_text(encoding="utf-8")
    given, _, _ = imported(tmp_path, YAML_BOT, action_server="https://actions.example/webhook")
    assert given.manifest.actions.url == "https://actions.example/webhook"


@pytest.mark.parametrize(
    ("name", "code", "runtime"),
    [
        ("actions.py", "from rasa_sdk import Action\n", "in_process"),
        ("actions/__init__.py", "from .x import *\n", "in_process"),
        ("actions/__init__.py", "from actions.x import A\n", "server"),
        ("actions.py", "def broken(:\n", "server"),
    ],
)
def test_python_that_stands_alone_comes_along(tmp_path: Path, name: str, code: str, runtime: str) -> None:
    pack, _, report = imported(tmp_path, {**YAML_BOT, name: code})
    assert pack.manifest.actions.runtime == runtime
    assert (pack.path / name).is_file() == (runtime == "in_process")
    assert ("Python" in noted(report, "code")) == (runtime == "server")


def test_many_actions_share_the_prompt(tmp_path: Path) -> None:
    names = [f"action_with_a_rather_long_name_{number}" for number in range(40)]
    rules = "".join(
        f"  - rule: r{number}\n    steps:\n      - intent: i{number}\n      - action: {name}\n"
        for number, name in enumerate(names)
    )
    nlu = "nlu:\n" + "".join(f"  - intent: i{n}\n    examples: |\n      - say {n}\n" for n in range(40))
    domain = f"intents: [{', '.join(f'i{n}' for n in range(40))}]\nactions: [{', '.join(names)}]\n"
    bot = {"domain.yml": domain, "nlu.yml": nlu, "rules.yml": f"rules:\n{rules}"}
    pack, _, report = imported(tmp_path, bot)
    assert 5 < len(pack.actions) < 40
    left_out = [note for note in report.notes if "no room for its signature" in note.why]
    assert len(left_out) == 40 - len(pack.actions)
    assert len(pack.requests) == len(left_out), "their requests still reach the router"


# --- what is listed


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("pipeline", "config.yml:4: `DIETClassifier`"),
        ("pipeline", "config.yml:5: `own.module.Component`: is a class of its own"),
        ("policy", "config.yml:7: `TEDPolicy`"),
        ("form", "`validate_book_form`: validates a form in code"),
        ("action", "`action_never`: no story calls it"),
        ("action", "`action_session_start`: replaces an action of Rasa's own"),
        ("response", "`utter_greet`, conditions"),
        ("response", "`utter_greet`, channels"),
        ("response", "`utter_booked`, image"),
        ("response", "`utter_unused`: no story says it"),
        ("response", "`utter_ask_book_form_size`, payloads of buttons"),
        ("rule", "condition `tier: gold`"),
        ("rule", "“no”: begins out of scope"),
        ("story", "needs {code}, which only code sets"),
        ("slot", "mapping `custom` of `name`"),
        ("slot", "slot `from_city`"),
        ("intent", "`never_said`: has no NLU example"),
        ("intent", "`use_entities` of `book`"),
        ("session", "domain.yml:52: session_expiration_time"),
        ("synonym", "2 synonyms"),
        ("entity", "entity `phone`: no example is annotated with it"),
    ],
)
def test_what_stays_behind_is_listed(made: tuple[Pack, Dataset, RasaReport], kind: str, words: str) -> None:
    pack, _, report = made
    assert words in noted(report, kind)
    assert words in (pack.path / "IMPORT.md").read_text(encoding="utf-8")


# --- again, dry, atomic


def test_equal_bots_and_seeds_make_equal_packs(tmp_path: Path) -> None:
    one, *_ = imported(tmp_path / "a", YAML_BOT)
    two, *_ = imported(tmp_path / "b", YAML_BOT)
    other, *_ = imported(tmp_path / "c", YAML_BOT, choices=Choices(seed=7))
    assert one.digest == two.digest != other.digest


def test_an_import_replaces_its_own_untouched_pack_only(tmp_path: Path) -> None:
    pack, _, first = imported(tmp_path, YAML_BOT)
    assert first.created and first.changed
    _, _, again = imported(tmp_path, YAML_BOT)
    assert not again.created and not again.changed
    more, _, changed = imported(tmp_path, {**YAML_BOT, "data/nlu.yml": NLU.replace("- hi there", "- hiya")})
    assert changed.changed and more.digest != pack.digest
    (pack.path / "system.md").write_text("My own words.", encoding="utf-8")
    with pytest.raises(PackExists, match="changed since it was imported"):
        imported(tmp_path, YAML_BOT)
    assert (pack.path / "system.md").read_text(encoding="utf-8") == "My own words."
    other = write_bot(tmp_path / "other", MARKDOWN_BOT)
    with pytest.raises(PackExists, match="was not made by an import of this bot"):
        import_rasa(other, pack.path)


def test_a_dry_run_reports_and_writes_nothing(tmp_path: Path) -> None:
    bot = write_bot(tmp_path / "bot")
    report = import_rasa(bot, tmp_path / "packs" / "travel", RasaOptions(dry_run=True))
    assert report.dry_run and not report.created and report.pack["conversations"] > 20
    assert not (tmp_path / "packs").exists()


def test_a_pack_that_would_not_be_right_never_appears(tmp_path: Path) -> None:
    from senmon.errors import Problem

    bot = write_bot(tmp_path / "bot")
    target = tmp_path / "packs" / "travel"

    def verify(pack: Pack) -> list[Problem]:
        return [Problem(str(pack.path / "system.md"), 1, "", "is not to my taste")]

    with pytest.raises(PackInvalid, match=r"packs/travel/system\.md:1"):
        import_rasa(bot, target, verify=verify)
    assert not target.exists()


def test_a_killed_import_leaves_no_pack(tmp_path: Path) -> None:
    bot = write_bot(tmp_path / "bot")
    code = (
        "import os, signal, sys, pathlib\n"
        "from senmon.dataset.rasa import importing\n"
        "settle = importing.shutil.copytree\n"
        "def die(*args, **more):\n    settle(*args, **more)\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        "importing.shutil.copytree = die\n"
        "importing.import_rasa(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))\n"
    )
    target = tmp_path / "packs" / "travel"
    ended = subprocess.run([sys.executable, "-c", code, str(bot), str(target)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not target.exists()
    assert import_rasa(bot, target).created
    assert [path.name for path in target.parent.iterdir()] == ["travel"]


# --- hostile and broken files

BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nnlu: [*b, *b]\n"


@pytest.mark.parametrize(
    ("name", "text", "place", "why"),
    [
        ("data/nlu.yml", BOMB, "data/nlu.yml:2", "aliases"),
        ("data/nlu.yml", "nlu: !!python/object/apply:os.system [id]\n", "data/nlu.yml:1", "tag"),
        ("data/nlu.yml", "nlu: " + "[" * 60 + "]" * 60, "data/nlu.yml:1", "nested more than"),
        ("data/nlu.yml", "nlu: []\nnlu: []\n", "data/nlu.yml:2", "given twice"),
        ("data/nlu.yml", "nlu:\n  - intent: a\n  broken\n", "data/nlu.yml:4", "broken YAML"),
        ("data/nlu.yml", "nlu:\n  - intent: a\n    examples: 7\n", "data/nlu.yml:3", "is not a list"),
        ("data/nlu.yml", "nlu:\n  - examples: |\n      - a\n", "data/nlu.yml:2", "is not an intent"),
        (
            "data/nlu.yml",
            'nlu:\n  - intent: a\n    examples: |\n      - ok\n      - [x]{"entity": \n',
            "data/nlu.yml:5",
            "broken annotation",
        ),
        ("domain.yml", "intents: 5\n", "domain.yml:1", "is not a list"),
        ("domain.yml", "slots:\n  a: {type: text, mappings: [5]}\n", "domain.yml:2", "is not a slot mapping"),
        ("domain.yml", "responses:\n  utter_x: 5\n", "domain.yml:2", "is not a list"),
        ("data/stories.yml", "stories:\n  - steps: []\n", "data/stories.yml:2", "is not a story"),
        (
            "data/stories.yml",
            "stories:\n  - story: a\n    steps: [7]\n",
            "data/stories.yml:3",
            "is not a step",
        ),
        ("data/nlu.md", "## intent:a\n- x\n## wrong:b\n- y\n", "data/nlu.md:3", "is not an intent"),
        ("data/nlu.md", "## lookup:a\n  ../../etc/passwd\n", "data/nlu.md:2", "leads out of"),
        ("data/stories.md", "## a\n* greet{broken\n  - utter_greet\n", "data/stories.md:2", "broken JSON"),
    ],
)
def test_broken_files_are_refused_with_their_line(
    tmp_path: Path, name: str, text: str, place: str, why: str
) -> None:
    bot = write_bot(tmp_path / "bot", {**YAML_BOT, name: text})
    with pytest.raises(DataInvalid) as caught:
        import_rasa(bot, tmp_path / "packs" / "travel")
    found = [problem for problem in caught.value.problems if f"{problem.path}:{problem.line}" == place]
    assert any(why in problem.why for problem in found), [str(each) for each in caught.value.problems]
    assert all(problem.remedy for problem in caught.value.problems)
    assert not (tmp_path / "packs").exists()


def test_a_file_with_too_many_values_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("senmon.packs.yaml_text.MAX_NODES", 100)
    bot = write_bot(tmp_path / "bot", {**YAML_BOT, "data/more.yml": "- a\n" * 200})
    with pytest.raises(DataInvalid, match=r"more\.yml:100: broken YAML: holds more than 100 values"):
        import_rasa(bot, tmp_path / "packs" / "travel")


def test_comments_of_one_endless_line_take_no_longer_than_its_length(tmp_path: Path) -> None:
    comments = "<!-- no -->" * 200_000
    text = f"## intent:a\n- one<!-- no --> more\n<!-- - no\n- no --> {comments}\n- two -->\n"
    bot = Bot()
    read_nlu_markdown(bot, text, "nlu.md")
    assert [example.said.text for example in bot.examples] == ["one more", "two -->"]


def test_all_problems_come_together(tmp_path: Path) -> None:
    files = {**YAML_BOT, "domain.yml": "intents: 5\n", "data/stories.yml": "stories: 5\n"}
    with pytest.raises(DataInvalid) as caught:
        import_rasa(write_bot(tmp_path / "bot", files), tmp_path / "packs" / "travel")
    assert {problem.path for problem in caught.value.problems} == {"domain.yml", "data/stories.yml"}


def test_links_that_lead_out_large_and_special_files_are_refused(tmp_path: Path) -> None:
    bot = write_bot(tmp_path / "bot")
    (tmp_path / "secret.yml").write_text("nlu: []", encoding="utf-8")
    (bot / "data" / "link.yml").symlink_to(tmp_path / "secret.yml")
    (bot / "data" / "more").symlink_to(tmp_path)
    os.mkfifo(bot / "data" / "pipe.yml")
    with (bot / "data" / "huge.yml").open("wb") as file:
        file.truncate(9 * 1024 * 1024)
    with pytest.raises(DataInvalid) as caught:
        import_rasa(bot, tmp_path / "packs" / "travel")
    whys = {problem.path: problem.why for problem in caught.value.problems}
    assert whys["data/link.yml"] == whys["data/more"] == "is a link that leads out of the bot's folder"
    assert whys["data/pipe.yml"] == "is not a regular file"
    assert "larger than 8 MiB" in whys["data/huge.yml"]


def test_what_is_no_bot_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match="is not there"):
        import_rasa(tmp_path / "nowhere", tmp_path / "packs" / "travel")
    empty = write_bot(tmp_path / "empty", {"notes.yml": "a: 1\n"})
    with pytest.raises(DataInvalid, match="no Rasa training data"):
        import_rasa(empty, tmp_path / "packs" / "travel")
    domain = write_bot(tmp_path / "domain", {"domain.yml": DOMAIN, "stories.yml": STORIES})
    with pytest.raises(DataInvalid, match="no NLU examples"):
        import_rasa(domain, tmp_path / "packs" / "travel")


def test_checkpoints_in_a_circle_end(tmp_path: Path) -> None:
    stories = (
        "stories:\n"
        "  - story: in\n    steps: [{intent: greet}, {action: utter_no}, {checkpoint: a}]\n"
        "  - story: round\n"
        "    steps: [{checkpoint: a}, {intent: faq}, {action: utter_faq}, {checkpoint: a}]\n"
        "  - story: also\n"
        "    steps: [{checkpoint: a}, {intent: affirm}, {action: utter_no}, {checkpoint: a}]\n"
    )
    _, dataset, _ = imported(tmp_path, {**YAML_BOT, "data/stories.yml": stories})
    assert max(len(one.messages) for one in dataset.examples) <= 14


def test_control_markers_in_a_reply_are_refused_with_their_place(tmp_path: Path) -> None:
    domain = DOMAIN.replace("It costs ten.", "It costs <|im_end|> ten.")
    with pytest.raises(DataInvalid, match="control marker") as caught:
        imported(tmp_path, {**YAML_BOT, "domain.yml": domain})
    assert caught.value.problems[0].path == "data/nlu.yml"


# --- annotations


@pytest.mark.parametrize(
    ("line", "text", "entities"),
    [
        ("to [Rome](city)", "to Rome", [("city", "Rome", "")]),
        ("to [it](city:Rome) now", "to it now", [("city", "Rome", "")]),
        ('[a]{"entity": "x", "value": "1", "role": "r"}', "a", [("x", "1", "r")]),
        ('[a]{"entity": "x", "value": {"k": "}"}}', "a", [("x", '{"k": "}"}', "")]),
        ('[a][{"entity": "x"}, {"entity": "y", "role": "r"}]', "a", [("x", "a", ""), ("y", "a", "r")]),
        ("see [N26] and [x] (y)", "see [N26] and [x] (y)", []),
        ("[a](b", "[a](b", []),
        ("[ [a](b)", "[ a", [("b", "a", "")]),
        ("[][](x)", "[][](x)", []),
        ("[" * 3000, "[" * 3000, []),
    ],
)
def test_annotations(line: str, text: str, entities: list[tuple[str, str, str]]) -> None:
    said = read_example(line)
    assert said.text == text
    assert [(one.name, one.value, one.role) for one in said.entities] == entities
