"""What teachers set and get: budgets of classes, lists of problems, mastery."""

import csv
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from senmon.actions.pack_modules import forget, import_source
from senmon.actions.runner import ActionRequest, ActionRunner
from senmon.messages import Event, Identity
from senmon.packs.loader import load_pack
from senmon.packs.pack import Pack
from senmon.store.store import Store

TUTOR = Path(__file__).parents[2] / "domains" / "tutor"
TOOL = TUTOR / "tools" / "teacher.py"


@pytest.fixture(scope="module")
def pack() -> Pack:
    return load_pack(TUTOR)


@pytest.fixture(scope="module")
def parts() -> Iterator[dict[str, ModuleType]]:
    import_source("tutor_for_teacher", TUTOR / "actions" / "__init__.py")
    yield {
        name: sys.modules[f"tutor_for_teacher.{name}"]
        for name in ("classroom", "exercises", "mastery", "solution")
    }
    forget("tutor_for_teacher")


def run_tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(TOOL), *arguments], capture_output=True, text=True)


class Lesson:
    def __init__(self, pack: Pack, customer: str | None = None) -> None:
        self.pack, self.customer = pack, customer
        self.runner = ActionRunner(lambda _: True)
        self.slots: dict[str, Any] = {}

    async def __call__(self, name: str, **arguments: str) -> dict[str, Any]:
        identity = Identity("local", "v", self.customer)
        request = ActionRequest(self.pack, self.pack.actions[name], arguments, self.slots, identity)
        outcome = await self.runner.run(request)
        self.slots |= dict(outcome.slots)
        return dict(outcome.result)


async def asked_until_told(lesson: Lesson, problem: str, most: int = 12) -> int | None:
    await lesson("open_problem", problem=problem)
    for number in range(1, most + 1):
        if "So the answer is" in (await lesson("next_hint"))["hint"]["text"]:
            return number
    return None


async def test_the_class_of_a_signed_in_pupil_has_its_own_budget(pack: Pack) -> None:
    assert await asked_until_told(Lesson(pack), "4 * 7") == 4
    assert await asked_until_told(Lesson(pack, "exam"), "4 * 7") == 4, "a name alone is no class"
    strict = Lesson(pack, "exam/ann")
    assert await asked_until_told(strict, "4 * 7") is None
    assert (strict.slots["open"], strict.slots["may_tell"]) == (True, False)
    assert strict.slots["level"] < strict.slots["budget"], "no_telling stays on guard"
    assert (await strict("check_answer", attempt="28"))["verdict"] == "correct"


def test_settings_are_read_and_faults_are_named(parts: dict[str, ModuleType]) -> None:
    read, fault = parts["classroom"].read_settings, parts["classroom"].SettingsError
    default, classes = read(
        "default: {hints: 6}\nclasses:\n  7a: {most_hints: 6}\n  8b: {tell_answer: false}\n"
    )
    assert (default.hints, classes["7a"].hints, classes["7a"].most_hints) == (6, 6, 6)
    assert (classes["8b"].hints, classes["8b"].tell_answer) == (6, False)
    assert read("")[0].hints == 4
    for text in ("a: 1", "default: {hints: 0}", "default: {hints: true}", "default: {hint: 3}",
                 "classes: [7a]", "- 1", "default: {hints: 9, most_hints: 3}", "default: {tell_answer: 1}",
                 "a: [",
                 "classes: {7a: 3}"):  # fmt: skip
        with pytest.raises(fault, match=r"teacher\.yaml"):
            read(text)


async def test_exercises_come_from_the_lists_and_none_twice(pack: Pack) -> None:
    lesson, seen = Lesson(pack), []
    for _ in range(5):
        result = await lesson("give_exercise", topic="Fractions")
        assert (result["status"], lesson.slots["open"]) == ("opened", True)
        assert result["skill"] in ("fractions", "simplifying a fraction")
        seen.append(result["problem"]["text"])
        answer = lesson.slots["answer"][0]
        assert (await lesson("check_answer", attempt=answer))["verdict"] == "correct"
    assert len(set(seen)) == 5


async def test_an_exercise_without_a_topic_trains_the_weakest_skill(pack: Pack) -> None:
    lesson = Lesson(pack)
    await lesson("open_problem", problem="20% of 80")
    for attempt in ("1600", "64"):
        await lesson("check_answer", attempt=attempt)
    assert (await lesson("give_exercise"))["skill"] == "percentage"


async def test_an_unknown_topic_says_what_there_is_and_keeps_the_open_problem(pack: Pack) -> None:
    lesson = Lesson(pack)
    await lesson("open_problem", problem="3x - 7 = 11")
    result = await lesson("give_exercise", topic="geometry")
    assert result["status"] == "not opened"
    assert "fractions" in result["hint"]["text"]
    assert (lesson.slots["problem"], lesson.slots["open"]) == ("3x − 7 = 11", True)
    assert not lesson.slots.get("topic"), "the next wish is not tied to it"


def test_lists_are_read_from_csv_and_markdown(parts: dict[str, ModuleType]) -> None:
    lines_of, fault = parts["exercises"].lines_of, parts["exercises"].ListError
    assert list(lines_of("a.csv", "topic,problem\nunit 1,2 + 3 * 4\n,\n")) == [(2, "2 + 3 * 4", "unit 1")]
    markdown = "# Unit 2\n\ntext\n\n- 3x = 12\n1. `20% of 80`\n"
    assert list(lines_of("a.md", markdown)) == [(5, "3x = 12", "Unit 2"), (6, "20% of 80", "Unit 2")]
    with pytest.raises(fault, match=r"a\.csv:1"):
        list(lines_of("a.csv", "question\n1 + 1\n"))


def test_mastery_is_traced_as_written(parts: dict[str, ModuleType]) -> None:
    module = parts["mastery"]
    right, wrong = module.Observation("s", True), module.Observation("s", False)
    after = 0.3 * 0.9 / (0.3 * 0.9 + 0.7 * 0.2)
    assert module.traced(0.3, right) == pytest.approx(after + (1 - after) * 0.15)
    after = 0.3 * 0.1 / (0.3 * 0.1 + 0.7 * 0.8)
    assert module.traced(0.3, wrong) == pytest.approx(after + (1 - after) * 0.15)
    levels = [module.mastery([right] * n).get("s", module.PRIOR) for n in range(6)]
    assert levels == sorted(levels) and levels[-1] > 0.95
    assert module.traced(0.3, module.Observation("s", True, hints=4)) < module.traced(0.3, right)
    assert module.mastery([wrong] * 8)["s"] < 0.3
    assert len(module.added([right.to_json()] * 500, wrong)) == module.MOST
    assert module.observations([["s", True, 0, ""], "x", [1, 2], ["s", 1, 0, ""]]) == [right]


async def test_what_was_seen_of_a_pupil_is_kept(pack: Pack) -> None:
    lesson = Lesson(pack)
    await lesson("open_problem", problem="3x - 7 = 11")
    await lesson("check_answer", attempt="x = 4/3")
    await lesson("next_hint")
    await lesson("check_answer", attempt="3x = 18")
    await lesson("check_answer", attempt="((")
    await lesson("check_answer", attempt="6")
    skill = "linear equation"
    assert lesson.slots["observed"] == [[skill, False, 0, "sign error"], [skill, True, 1, ""]]


async def test_mastery_is_exported_for_the_teacher(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "senmon.db")
    wrong = ["fractions", False, 0, "sign error"]
    seen = (
        ("ann", "7a/ann", [[wrong], [wrong, ["fractions", True, 2, ""]]]),
        ("ann2", "7a/ann", [[["percentage", True, 0, ""]]]),
        ("=cmd()", None, [[["fractions", True, 0, ""]]]),
    )  # fmt: skip
    for visitor, customer, turns in seen:
        conversation = await store.create_conversation(Identity("local", visitor, customer))
        for number, slots in enumerate(turns):
            run = await store.start_run(conversation.id, f"c{number}", "x", customer=customer)
            await store.append(run.id, Event("action", {}, {"slots": {"observed": slots}}))
            await store.finish_run(run.id, "done")
    await store.close()
    rows = list(csv.DictReader(io.StringIO(run_tool("mastery", "--home", str(tmp_path)).stdout)))
    found = {(row["pupil"], row["skill"]): row for row in rows}
    assert set(found) == {("7a/ann", "fractions"), ("7a/ann", "percentage"), ("'=cmd()", "fractions")}
    fractions = found["7a/ann", "fractions"]
    assert (fractions["attempts"], fractions["right"], fractions["hints"]) == ("2", "1", "2")
    assert fractions["most_frequent_mistake"] == "sign error"
    assert float(found["7a/ann", "percentage"]["mastery"]) > float(fractions["mastery"])


def test_the_shipped_lists_and_settings_are_fine(tmp_path: Path) -> None:
    made = subprocess.run([sys.executable, str(TOOL), "check"], capture_output=True, text=True)
    assert (made.returncode, made.stdout[:24]) == (0, "teacher.yaml is fine. 37"), made.stdout
    missing = subprocess.run(
        [sys.executable, str(TOOL), "mastery", "--home", str(tmp_path)], capture_output=True, text=True
    )
    assert missing.returncode == 1 and "--home" in missing.stderr


def test_lists_as_spreadsheets_write_them(parts: dict[str, ModuleType]) -> None:
    """With semicolons or tabs, and with capitals in the first line."""
    lines_of = parts["exercises"].lines_of
    for comma in ",;\t":
        text = f"Problem{comma}Topic\r\n2x + 1 = 7{comma}equations\r\n{comma}\r\n1/2 + 1/3{comma}\r\n"
        assert list(lines_of("a.csv", text)) == [(2, "2x + 1 = 7", "equations"), (4, "1/2 + 1/3", "")]
    for hostile in ("9**9**9", "<b>2</b>", "=HYPERLINK(1)", "9" * 40 + " + 1", "(" * 300):
        with pytest.raises(parts["solution"].TooHardError):
            parts["exercises"].exercise(hostile)


def test_hints_of_one_problem_are_counted_once(parts: dict[str, ModuleType]) -> None:
    seen = [
        parts["mastery"].Observation("sums", *one)
        for one in ((False, 2, "slip"), (False, 3, "slip"), (True, 3), (False, 1, "slip"), (True, 0))
    ]
    (standing,) = parts["mastery"].standings(seen)
    assert (standing.attempts, standing.right, standing.hints) == (5, 2, 4)
