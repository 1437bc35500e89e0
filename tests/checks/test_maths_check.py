import asyncio
import sys
import threading
import time
from pathlib import Path

import pytest

from senmon.checks.maths import MathsCheck
from senmon.checks.maths_pool import WorkerPool, shared_pool
from senmon.checks.protocol import CheckContext
from senmon.messages import Message

sys.path.insert(0, str(Path(__file__).parent))

from maths_claims import RIGHT, WRONG

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
