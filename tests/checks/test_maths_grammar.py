from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from senmon.checks.maths_algebra import BeyondError, evaluate
from senmon.checks.maths_grammar import parse, parse_alternatives, parse_expression
from senmon.checks.maths_nodes import (
    Binary,
    Negative,
    Node,
    Number,
    Statement,
    Variable,
    show,
    show_statement,
)
from senmon.checks.maths_spans import find_spans
from senmon.checks.maths_sympy import to_sympy
from senmon.checks.maths_values import spelled, word_mentions
from senmon.errors import Unparsable


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 + 3 × 4", 14),
        ("(2 + 3)·4", 20),
        ("10 − 4 − 3", 3),
        ("24 ÷ 4 ÷ 2", 3),
        ("-3²", -9),
        ("(−3)^2", 9),
        ("2^3^2", 512),
        ("2^-2", Fraction(1, 4)),
        ("1 3/4", Fraction(7, 4)),
        ("2½", Fraction(5, 2)),
        (".5 + 0.25", Fraction(3, 4)),
        ("2/3 ÷ 4/5", Fraction(5, 6)),
        ("1,250 + 3", 1253),
        ("20% of 80", 16),
        ("half of 30", 15),
        ("3/4 of 20", 15),
        ("3 x 4", 12),
        ("3x4", 12),
        ("5 squared plus 2", 27),
        ("√16 + sqrt(9)", 7),
        (r"\frac{1}{2} \cdot 8 \times 2", 8),
        ("12 divided by 4", 3),
        ("[2 + {3 − 1}] * 2", 8),
        ("$3 + £4", 7),
    ],
)
def test_values(text: str, value: Fraction) -> None:
    assert evaluate(parse_expression(text)) == value


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("3x-7=11", "3x − 7 = 11"),
        ("2(x+1) ≤ 4", "2(x + 1) ≤ 4"),
        ("x/2=3", "x/2 = 3"),
        ("1/2x = 4", "(1/2)x = 4"),
        ("(x-2)(x-3)=0", "(x − 2)(x − 3) = 0"),
        ("2x² + x = 3", "2x² + x = 3"),
        ("6 times 7 is 42", "6 × 7 = 42"),
        (r"\left(x+1\right) \ge 2", "x + 1 ≥ 2"),
    ],
)
def test_statements(text: str, shown: str) -> None:
    assert show_statement(parse(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2 +",
        "(2",
        "2)",
        "hello",
        "3 = ",
        "= 3",
        "2 3",
        "x2",
        "6/2(1+2)",
        "6÷2x",
        "50 + 20%",
        "9**9**9",
        "2^65",
        "5 of 6",
        "1" * 31,
        "(" * 41 + "1" + ")" * 41,
        "1+" * 210 + "1",
        "import os",
        "a.b",
        "x;y",
        "\\input{x}",
        "2^^3",
    ],
)
def test_refusals(text: str) -> None:
    with pytest.raises(Unparsable):
        parse(text)


def test_alternatives() -> None:
    assert [show_statement(one) for one in parse_alternatives("x = 4 or x=-1")] == ["x = 4", "x = −1"]
    assert len(parse_alternatives("4, -1")) == 2
    assert len(parse_alternatives("1,250")) == 1


@settings(max_examples=150, deadline=1000)
@given(st.text(alphabet="0123456789.,/+-*^()=x yof%²√½×÷<>\\{}frac", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        statement = parse(text)
    except Unparsable:
        return
    assert parse(show_statement(statement)).relations == tuple(
        "=" if relation == "is" else relation for relation in statement.relations
    )


@settings(max_examples=60, deadline=1000)
@given(st.text(max_size=200))
def test_any_prose_is_searched(text: str) -> None:
    for span in find_spans(text):
        assert 0 <= span.start < span.end <= len(text)


@given(st.fractions(min_value=-10_000, max_value=10_000, max_denominator=9_999))
def test_numbers_round_trip(value: Fraction) -> None:
    assert evaluate(parse_expression(show(Number(value)))) == value


@given(st.decimals(min_value=0, max_value=99_999, places=3, allow_nan=False))
def test_decimals_round_trip(value: object) -> None:
    assert evaluate(parse_expression(str(value))) == Fraction(str(value))


NODES = st.recursive(
    st.one_of(
        st.integers(0, 30).map(lambda value: Number(Fraction(value))),
        st.sampled_from("xy").map(Variable),
    ),
    lambda inner: st.one_of(
        inner.map(Negative),
        st.builds(Binary, st.sampled_from(["+", "-", "*", "/"]), inner, inner),
        st.builds(lambda left, right: Binary("*", left, right, implicit=True), inner, inner),
        st.builds(lambda base: Binary("^", base, Number(Fraction(2))), inner),
    ),
    max_leaves=10,
)
POINT = {"x": Fraction(7, 3), "y": Fraction(-5, 2)}


@settings(max_examples=150, deadline=None)
@given(NODES)
def test_what_is_shown_reads_back_to_the_same_value(node: Node) -> None:
    try:
        value = evaluate(node, POINT)
    except BeyondError:
        return
    again = parse_expression(show(node))
    assert evaluate(again, POINT) == value


@settings(max_examples=40, deadline=None)
@given(NODES)
def test_sympy_agrees(node: Node) -> None:
    import sympy

    try:
        value = evaluate(node, POINT)
    except BeyondError:
        return
    point = {
        sympy.Symbol(name, real=True): sympy.Rational(v.numerator, v.denominator) for name, v in POINT.items()
    }
    assert to_sympy(node).subs(point) == sympy.Rational(value.numerator, value.denominator)


def test_spans_in_prose() -> None:
    text = "Not quite: **x = 6**, so 3x = 18 (see step 2).\n- 3x = 4 a\n1. half of 10 is 5"
    shown = [show_statement(span.statement) for span in find_spans(text)]
    assert shown == ["x = 6", "3x = 18", "2", "3x = 4", "1", "1/2 × 10 = 5"]
    assert all(text[span.start : span.end].strip() for span in find_spans(text))


def test_number_words() -> None:
    assert spelled("minus two and a half") == Fraction(-5, 2)
    assert spelled("one hundred and twenty-one") == 121
    assert spelled("three quarters") == Fraction(3, 4)
    assert spelled("one point five") == Fraction(3, 2)
    assert spelled("twenty thirty") is None
    assert [mention.value for mention in word_mentions("six or a half, not sixty-one")] == [
        6,
        Fraction(1, 2),
        61,
    ]


def test_a_statement_is_a_value() -> None:
    assert parse("x = 6") == Statement((Variable("x"), Number(Fraction(6), "6")), ("=",))
