import asyncio
import itertools
import json
import re
import sys
import threading
import time
from pathlib import Path

import pytest

from senmon.checks.maths import MathsCheck
from senmon.checks.maths_pool import WorkerPool, shared_pool
from senmon.checks.protocol import CheckContext
from senmon.messages import Message

# Hand-labelled replies for the maths check: (false maths?, reply, open problem, pupil's words).
LINEAR = "3x − 7 = 11"
QUADRATIC = "x² − 3x − 4 = 0"

WRONG = [
    ("2 + 2 = 5.", "", ""),
    ("Well, 7 × 8 = 54.", "", ""),
    ("12 ÷ 4 = 4, so each gets four.", "", ""),
    ("20% of 80 is 15.", "", ""),
    ("Half of 30 is 16.", "", ""),
    ("1/2 + 1/3 = 2/5.", "", ""),
    ("So 3/4 - 1/4 = 2/0.5.", "", ""),
    ("3² = 6, and that is it.", "", ""),
    ("2 + 3 * 4 = 20.", "", ""),
    ("√16 = 5.", "", ""),
    ("sqrt(50) = 5sqrt(3).", "", ""),
    ("9 - 12 = 3.", "", ""),
    ("5 × (−3) = 15.", "", ""),
    ("0.5 + 0.25 = 0.3.", "", ""),
    ("1.5 × 4 = 5.", "", ""),
    ("Remember that 6 times 7 is 43.", "", ""),
    ("10 divided by 4 equals 3.", "", ""),
    ("7 plus 9 is equal to 15.", "", ""),
    ("\\(\\frac{1}{2} + \\frac{1}{4} = \\frac{2}{6}\\)", "", ""),
    ("**4 × 6 = 26**", "", ""),
    ("- 8 + 5 = 14\n- done", "", ""),
    ("1. First 14 − 6 = 9.", "", ""),
    ("2 + 3 = 5 = 6.", "", ""),
    ("5 > 8, as you see.", "", ""),
    ("3/4 < 1/2.", "", ""),
    ("1/3 ≈ 0.5.", "", ""),
    ("1/3 = 0.33.", "", ""),
    ("2³ = 2 × 3 = 6.", "", ""),
    ("6/8 = 2/3.", "", ""),
    ("1 1/2 = 5/2.", "", ""),
    ("Expanding gives 2(x + 3) = 2x + 3.", "", ""),
    ("When you factorise, n² + 5n + 6 = (n + 1)(n + 6).", "", ""),
    ("Collecting like terms, 3a + 2a = 6a.", "", ""),
    ("For example, 2n = 8 gives n = 3.", "", ""),
    ("For example, 2n + 1 = 7 gives 2n = 8.", "", ""),
    ("Adding 7 to both sides gives 3x = 4.", LINEAR, ""),
    ("So x = 5.", LINEAR, ""),
    ("Therefore 3x = 17.", LINEAR, ""),
    ("Now you have 3x − 7 + 7 = 11 − 7.", LINEAR, ""),
    ("x is 7.", LINEAR, ""),
    ("We have 3x = 20, what is x?", LINEAR, ""),
    ("3x = 18, and so x = 9.", LINEAR, ""),
    ("That gives x − 7 = 11.", LINEAR, ""),
    ("x = 6 or x = 2.", LINEAR, ""),
    ("Yes, x = 5 is right!", LINEAR, "x = 5"),
    ("Correct: 3x = 4.", LINEAR, "3x = 4"),
    ("x = 5 ✓", LINEAR, "x = 5"),
    ("x = 1 or x = −4.", QUADRATIC, ""),
    ("(x − 4)(x − 1) = 0.", QUADRATIC, ""),
    ("So x² − 3x = −4.", QUADRATIC, ""),
    ("x = 3.", QUADRATIC, ""),
    ("3(x + 2) = 3x + 2.", "3(x + 2)", ""),
    ("2 × 3 + 1 = 8.", "2x + 1 when x = 3", ""),
    ("3x − 7 = 11, so 3x = 11 − 7.", LINEAR, ""),
    ("So she works 2 × 6 + 5 × 12 = 70 hours.", "", ""),
    ("That is 8 − 3 = 6 days.", "", ""),
    ("It took a total of 18 + 36 = 55 days.", "", ""),
    ("It runs 84 / 14 = 8 times.", "", ""),
    ("50 kids / 2 = 25 = 5 × 6.", "", ""),
    ("It comes to 100 − 50 = 40%.", "", ""),
    ("Collect like terms: 3x = 20.", LINEAR, ""),
    ("Take 7 away, so 3x = 4.", LINEAR, ""),
    ("For example, 2n = 8 gives n = 4. In your problem, 3x = 17.", LINEAR, ""),
    ("For example, 2x = 8. Now this equation says x = 7.", LINEAR, ""),
]

RIGHT = [
    ("2 + 2 = 4.", "", ""),
    ("7 × 8 = 56 (7 eights).", "", ""),
    ("20% of 80 is 16.", "", ""),
    ("17 ÷ 5 = 3 remainder 2.", "", ""),
    ("17 ÷ 5 = 3 r 2", "", ""),
    ("17 ÷ 5 = 3 with 2 left.", "", ""),
    ("1/3 is about 0.33, so 1/3 ≈ 0.33.", "", ""),
    ("Rounded, 1/3 = 0.33.", "", ""),
    ("2/3 = 0.67 to two decimal places.", "", ""),
    ("60 + 30 = 1.5 hours.", "", ""),
    ("7 + 5 = 1 ten and 2 ones.", "", ""),
    ("1 m = 100 cm and 1 hour = 60 minutes.", "", ""),
    ("The number after 20 is 21.", "", ""),
    ("50 kids / 2 = 25 kids.", "", ""),
    ("The garden gave 237 potatoes - 60 = 177 cucumbers.", "", ""),
    ("(60 inches + 68 inches) / 2 = 64 inches.", "", ""),
    ("100 = 120 + the discount.", "", ""),
    ("From 8:00 to 11:00 are 11:00-8:00 = 3 hours.", "", ""),
    ("There are 58 seats + 2 = 60 seats.", "", ""),
    ("1 = .05(number of minutes).", "", ""),
    ("There is 100 - 50 = 50% left.", "", ""),
    ("It takes 120 / 60 = 2 hours.", "", ""),
    ("This simplifies to 450 = 15x.", "", ""),
    ("Page 3 is 12 lines long.", "", ""),
    ("Is 2 + 2 = 5?", "", ""),
    ("Does 3 × 4 = 13 look right to you?", "", ""),
    ("You wrote 2 + 2 = 5.", "", ""),
    ("You said that 7 × 8 = 54, let's look again.", "", ""),
    ("Your answer 3/4 = 2/3 needs another look.", "", ""),
    ('In "1/2 + 1/3 = 2/5" the denominators were added.', "", ""),
    ("Some pupils write 1/2 + 1/3 = 2/5.", "", ""),
    ("A common mistake is (a + b)² = a² + b².", "", ""),
    ("2 + 2 = 5 is not right.", "", ""),
    ("2 + 2 is not = 5.", "", ""),
    ("3² = 6 is wrong, because it means 3 × 3.", "", ""),
    ("It can't be that 3x = 20.", LINEAR, ""),
    ("2 + 2 ≠ 5.", "", ""),
    ("3 < 5 and 5 ≥ 5.", "", ""),
    ("1 1/2 = 3/2.", "", ""),
    ("2(x + 3) = 14 is an equation.", "", ""),
    ("Expanding gives 2(x + 3) = 2x + 6.", "", ""),
    ("n² + 5n + 6 = (n + 2)(n + 3) by factorising.", "", ""),
    ("a² − b² = (a − b)(a + b)", "", ""),
    ("√50 = 5√2.", "", ""),
    ("For example, 2n + 1 = 7 gives 2n = 6, so n = 3.", "", ""),
    ("For example, 2x + 1 = 7 gives 2x = 6, so x = 3.", LINEAR, ""),
    ("For example, n + 2 = 5.", LINEAR, ""),
    ("When x = 3, 2x + 1 = 7.", "", ""),
    ("If x = 5, then 3x − 7 = 8, which is too small.", LINEAR, ""),
    ("Try x = 4 and see.", LINEAR, ""),
    ("Adding 7 to both sides gives 3x = 18.", LINEAR, ""),
    ("Now you have 3x − 7 + 7 = 11 + 7.", LINEAR, ""),
    ("So x = 18 ÷ 3.", LINEAR, ""),
    ("So x = 6, because 3 × 6 − 7 = 11.", LINEAR, ""),
    ("6x = 36 has the same solution.", LINEAR, ""),
    ("18 = 3x.", LINEAR, ""),
    ("You said x = 5, what happens when you put it in?", LINEAR, "x = 5"),
    ("x = 5, hmm.", LINEAR, "x = 5"),
    ("x = 5 doesn't fit.", LINEAR, "x = 5"),
    ("Is 3x = 20?", LINEAR, ""),
    ("What if x = 5?", LINEAR, ""),
    ("y = 3 is another story.", LINEAR, ""),
    ("(x − 4)(x + 1) = 0.", QUADRATIC, ""),
    ("x = 4 or x = −1.", QUADRATIC, ""),
    ("x − 4 = 0 and x + 1 = 0.", QUADRATIC, ""),
    ("x² − 3x = 4.", QUADRATIC, ""),
    ("3(x + 2) = 3x + 6.", "3(x + 2)", ""),
    ("2 × 3 + 1 = 7 when x = 3.", "2x + 1 when x = 3", ""),
    ("2x + 1 = 7 here.", "2x + 1 when x = 3", ""),
    ("Let's look at 3x − 7 = 11 together.", LINEAR, ""),
    ("Call 0800-123-456 = free", "", ""),
    ("See https://example.org/?id=5&page=2.", "", ""),
    ("On 12/05/2024 at 10:30 there is a test.", "", ""),
    ("Set f(x) = 2x.", "", ""),
    ("6/2(1+2) = 1 for some and 9 for others.", "", ""),
    ("Version 3.5.2 = new.", "", ""),
]

CHECK = MathsCheck()


def outcome(candidate: str, problem: str = "", said: str = "", released: str = "") -> str:
    messages = (Message("user", said),) if said else ()
    context = CheckContext(messages=messages, slots={"problem": problem} if problem else {})
    return CHECK.judge(released, candidate, context).outcome


def test_labelled_claims() -> None:
    """Precision and recall of `repair` over the labelled replies."""
    caught = [case for case in WRONG if outcome(*case) == "repair"]
    alarms = [case for case in RIGHT if outcome(*case) != "pass"]
    missed = [case for case in WRONG if case not in caught]
    recall, precision = len(caught) / len(WRONG), len(caught) / (len(caught) + len(alarms))
    assert len(WRONG) + len(RIGHT) >= 80
    assert recall >= 0.98, missed
    assert precision >= 0.98, alarms


def test_an_equation_cut_into_two_units_is_judged_whole() -> None:
    assert outcome("= 5.", released="So 2 + 2 ") == "repair"
    assert outcome("= 4.", released="So 2 + 2 ") == "pass"


def test_what_was_released_before_is_not_judged_again() -> None:
    assert outcome("Let's go on.", released="2 + 2 = 5. ") == "pass"


def test_the_reason_names_the_formula() -> None:
    verdict = CHECK.judge("", "So 2 + 2 = 5.", CheckContext())
    assert (verdict.check, "2 + 2 = 5" in verdict.reason) == ("maths", True)


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9 = 5",
        "9^9^9^9^9^9 = 1",
        "x = " + "9" * 5000,
        "(" * 10_000 + "1" + ")" * 10_000 + " = 2",
        "1" * 1_000_000 + " = 2",
        "x=" * 300_000,
        "2^(2^(2^(2^(2^2)))) = 3",
        "-" * 5000 + "1 = 2",
        "√" * 3000 + "2 = 1",
        "\\frac{" * 2000 + "1 = 1",
        "(x+1)^64(y+1)^64(z+1)^64 = 0",
        "x^x^x^x^x = (x^x)^(x^x) + √(x^x)",
        "1/(" * 300 + "x = 1",
        "__import__('os').system('true') = 1",
    ],
)
def test_hostile_text_returns_soon(text: str) -> None:
    start = time.monotonic()
    assert outcome(text, "3x − 7 = 11") == "pass"
    assert time.monotonic() - start < 6


def test_plain_sums_need_no_worker_and_little_time() -> None:
    outcome("2 + 3 = 5")
    start = time.perf_counter()
    for value in range(100):
        assert outcome(f"So {value} + 3 = {value + 3}.") == "pass"
    assert (time.perf_counter() - start) / 100 < 0.005


def test_a_worker_that_does_not_answer_is_killed_and_replaced() -> None:
    pool = WorkerPool(size=1)
    try:
        assert pool.ask("identical", ("sqrt(8)", "2sqrt(2)")) is True
        (before,) = pool.idle_processes
        tower = "(x^x)^(x^x)^(x^x) + sqrt(x^x^x) = sqrt(x + sqrt(x + sqrt(x + x^x)))"
        start = time.monotonic()
        assert pool.ask("consistent", (tower, tower), "x", seconds=0.05) is None
        assert time.monotonic() - start < 2
        assert before not in pool.idle_processes
        assert pool.ask("identical", ("sqrt(8)", "3sqrt(2)")) is False
    finally:
        pool.close()


async def test_judges_from_threads_and_tasks_at_once() -> None:
    def judge() -> str:
        return outcome(f"√{threading.get_ident() % 7 * 0 + 12} = 2√3")

    verdicts = await asyncio.gather(*(asyncio.to_thread(judge) for _ in range(8)))
    assert set(verdicts) == {"pass"}
    assert len(shared_pool().idle_processes) <= 2


def test_the_check_loads_no_sympy() -> None:
    import subprocess

    code = "import sys, senmon.checks.maths, senmon.checks.no_telling; assert 'sympy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.real_data
def test_sums_of_real_solutions(test_data: Path) -> None:
    """GSM8K solutions, unseen by the labelled set: few alarms as they are, most noticed once corrupted."""
    lines = []
    with (test_data / "gsm8k" / "train.jsonl").open(encoding="utf-8") as file:
        for record in itertools.islice(file, 400):
            answer = re.sub(r"<<.*?>>", "", json.loads(record)["answer"])
            lines += [line for line in answer.split("\n") if "=" in line]
    passed = [line for line in lines if outcome(line) == "pass"]
    assert len(passed) >= 0.99 * len(lines)
    result = re.compile(r"^([^=]*\d\s*[-+*/]\s*\$?\d[^=]*=\s*\$?)(\d+)(?![\d.,/%])")
    wrong = [
        match[1] + str(int(match[2]) + 1) + line[match.end() :]
        for line in passed
        if line.count("=") == 1 and (match := result.search(line))
    ]
    caught = sum(outcome(line) == "repair" for line in wrong)
    assert len(wrong) > 300
    assert caught >= 0.9 * len(wrong)
