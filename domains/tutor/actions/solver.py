"""From a pupil's text to a worked problem."""

from __future__ import annotations

import re
from functools import lru_cache

from senmon.checks.maths_nodes import variables
from senmon.checks.maths_problem import read_problem
from senmon.errors import Unparsable

from .arithmetic import solve_sum
from .equations import solve_equation
from .expressions import rewrite, solve_at
from .solution import Solution, TooHardError

_VERBS = re.compile(
    r"^\W*(?:(?:please|pls|can you|help me|to|with)\s+)*"
    r"(?:(?:solve|simplify|expand|factorise|factorize|evaluate"
    r"|calculate|compute|work out|find|what is|what's|whats)\s+)+(?:for\s+[a-z]\s*[:,]\s*)?",
    re.IGNORECASE,
)


@lru_cache(maxsize=512)
def solve(text: str) -> Solution:
    """Raises TooHardError with words for the pupil, also when the text is no maths."""
    wanted = _VERBS.sub("", text.strip()).strip(" .?!:,;")
    if wanted.endswith("="):
        wanted = wanted.rstrip("= ")
    try:
        problem = read_problem(wanted)
    except Unparsable:
        raise TooHardError(
            "I could not read that. Write a sum or an equation, for example 3x - 7 = 11."
        ) from None
    statement = problem.statement
    if len(statement.sides) > 1:
        return solve_equation(statement)
    node = statement.sides[0]
    if problem.letters:
        return solve_at(node, problem.letters)
    return rewrite(node) if variables(node) else solve_sum(node)
