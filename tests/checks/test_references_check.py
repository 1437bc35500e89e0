"""The labelled set of `references`: what is an unfilled reference, and what only looks like one."""

import pytest

from senmon.checks.protocol import CheckContext
from senmon.checks.references import References

BROKEN = [
    "Your order arrives on [[order.eta]].",
    "[[order.eta]]",
    "It is [[ order.eta ]].",
    "The total is [[order.total]] and the carrier [[order.carrier]].",
    "You have [[article.return_days]] days.",
    "See [[article]].",
    "Hello [[name]]!",
    "It is [[Order ETA]].",
    "It is [[]].",
    "It is [[order-eta]].",
    "Your order arrives on [[order.eta.",
    "Your order arrives on order.eta]].",
    "Your order arrives on [[order.eta].",
    "Your order arrives on [order.eta]].",
    "It arrives on [order.eta].",
    "The fee is [article.fee] euros.",
    "It costs [[ [order.total] ]].",
    "Open [[",
    "Close ]] it.",
    "[[order.eta]] or `code`.",
    "`code` and [[order.eta]]",
    "* [[order.items]] items\n* by [[order.carrier]]",
    "The total: $5 or [[order.total]].",
    "It is [[[order.eta]]].",
    "Datum: [[bestellung.datum]]",
    "[[order.eta|Tuesday]]",
    "[[order.items[0].name]]",
    "Price [[price]] (incl. VAT)",
    "Between [[a]] and [[b]]",
    "[[1.order]]",
    "It is [[.1]]",
    "Your id is [[order.id]], I think.",
    "Your id is [[order.id]]!",
]
SOUND = [
    "Your order arrives on Tuesday.",
    "",
    "Press [Enter] to go on.",
    "See [our returns page](https://lamps.example/returns).",
    "See [lamps.example](https://lamps.example).",
    "See [order.status][1] below.",
    "[1]: https://lamps.example",
    "That is true [1].",
    "He said [sic] so.",
    "The list is [1, 2, 3].",
    "The matrix is [[1, 2], [3, 4]].",
    "The row is [[5]].",
    "The matrix [[a, b], [c, d]] has determinant ad − bc.",
    "Write `[[order.eta]]` in your article.",
    "```\nprint(rows[[0]])\n```",
    "\\[ [[1, 0], [0, 1]] \\]",
    "$x[[1]]$ is odd notation.",
    "The interval [0, 1] is closed.",
    "The interval ]0, 1[ is open.",
    "f(x) = [x]",
    "[x] Done\n[ ] Not done",
    "Use square brackets [like this].",
    "An array such as a[0][1].",
    "The options are [A], [B] and [C].",
    "Please answer [yes/no].",
    "She wrote: “[the order] came late”.",
    "Your order (SO-1042) is on its way.",
    "Total: 12.50",
    "{order.eta}",
    "<order.eta>",
    "Version v1.2 [stable]",
    "x ∈ [−1, 1]",
]


def outcome(text: str) -> str:
    return References().judge("", text, CheckContext()).outcome


def test_the_labelled_set_is_judged_right() -> None:
    told = [(text, True, outcome(text) == "repair") for text in BROKEN]
    told += [(text, False, outcome(text) == "repair") for text in SOUND]
    wrong = [text for text, broken, flagged in told if broken != flagged]
    hits = sum(broken and flagged for _, broken, flagged in told)
    assert len(told) >= 60
    assert hits / sum(flagged for _, _, flagged in told) >= 0.98, wrong
    assert hits / len(BROKEN) >= 0.98, wrong


def test_the_reason_names_the_reference() -> None:
    verdict = References().judge("", "On [[order.eta]].", CheckContext())
    assert "order.eta" in verdict.reason


@pytest.mark.parametrize("text", ["[[" * 5000, "[" * 9000, "$" * 9001, "[[1," * 3000, "`" * 9001])
def test_hostile_brackets_are_judged_in_time(text: str) -> None:
    References().judge("", text, CheckContext())
