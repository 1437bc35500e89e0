import pytest

from senmon.checks.registry import available, build_checks
from senmon.errors import ConfigError
from senmon.packs.manifest import CheckSpec


def test_checks_come_in_the_order_of_the_manifest() -> None:
    specs = [
        CheckSpec(name="safety"),
        CheckSpec(name="references"),
        CheckSpec(name="grounded", options={"counts": 2}),
    ]
    assert [check.name for check in build_checks(specs)] == ["safety", "references", "grounded"]


def test_every_check_can_be_built() -> None:
    built = build_checks([CheckSpec(name=name) for name in available()])
    assert {check.name for check in built} == {
        "references",
        "grounded",
        "safety",
        "maths",
        "no_telling",
        "verdict",
    }


def test_all_faults_are_told_at_once_with_what_is_there() -> None:
    specs = [
        CheckSpec(name="ground"),
        CheckSpec(name="nonsense"),
        CheckSpec(name="grounded", options={"count": 3}),
        CheckSpec(name="safety", options={"crisis": "perhaps"}),
        CheckSpec(name="references", options={"x": 1}),
        CheckSpec(name="maths", options={"nonsense": 1, "problem_slot": 3}),
        CheckSpec(name="no_telling", options={"level": 2}),
    ]
    with pytest.raises(ConfigError) as raised:
        build_checks(specs)
    told = str(raised.value)
    for part in (
        "'ground'",
        "did you mean grounded",
        "'nonsense'",
        "'count'",
        "'crisis'",
        "'references' has no",
        "'maths', option 'nonsense': no such option",
        "'maths', option 'problem_slot'",
        "'no_telling' has no options",
    ):
        assert part in told
    assert "__init__" not in told
    assert "available checks: grounded, maths, no_telling, references, safety" in told


def test_no_checks_is_fine() -> None:
    assert build_checks([]) == ()
