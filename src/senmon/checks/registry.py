"""The checks by name. A check's module loads when a pack asks for it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from pydantic import ValidationError

from senmon.checks.protocol import Check
from senmon.errors import ConfigError

Options = Mapping[str, Any]


class CheckSpec(Protocol):
    """A check as a manifest names it."""

    @property
    def name(self) -> str: ...
    @property
    def options(self) -> Options: ...


def build_checks(specs: Sequence[CheckSpec], *, system: str = "") -> tuple[Check, ...]:
    """The checks of a manifest, in its order. `system` is the pack's prompt, which `safety` keeps to itself.

    Raises ConfigError with every unknown name and every bad option, each with what would be right.
    """
    checks: list[Check] = []
    faults: list[str] = []
    for spec in specs:
        try:
            checks.append(_build(spec, system))
        except ConfigError as error:
            faults.append(str(error))
        except ValidationError as error:
            faults += [_option_fault(spec.name, dict(fault)) for fault in error.errors()]
    if faults:
        raise ConfigError("; ".join(faults), remedy=f"available checks: {', '.join(available())}")
    return tuple(checks)


def available() -> tuple[str, ...]:
    """Names that a manifest may use."""
    return tuple(sorted(_BUILDERS))


def _build(spec: CheckSpec, system: str) -> Check:
    builder = _BUILDERS.get(spec.name)
    if builder is None:
        near = difflib.get_close_matches(spec.name, _BUILDERS, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise ConfigError(f"there is no check {spec.name!r}{hint}")
    return builder(spec.options, system)


def _refuse_options(check: str, options: Options) -> None:
    if options:
        raise ConfigError(f"check {check!r} has no options, but got: {', '.join(sorted(options))}")


def _option_fault(check: str, fault: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in fault["loc"])
    unknown = fault["type"] == "extra_forbidden"
    why = "no such option (docs/packs.md lists them)" if unknown else fault["msg"].lower()
    return f"check {check!r}, option {place!r}: {why}"


def _references(options: Options, system: str) -> Check:
    from senmon.checks.references import References

    _refuse_options("references", options)
    return References()


def _grounded(options: Options, system: str) -> Check:
    from senmon.checks.grounded import Grounded, GroundedOptions

    return Grounded(GroundedOptions.model_validate(options))


def _safety(options: Options, system: str) -> Check:
    from senmon.checks.safety import Safety, SafetyOptions

    return Safety(SafetyOptions.model_validate(options), system=system)


def _maths(options: Options, system: str) -> Check:
    from senmon.checks.maths import MathsCheck, MathsOptions

    return MathsCheck(problem_slot=MathsOptions.model_validate(options).problem_slot)


def _no_telling(options: Options, system: str) -> Check:
    from senmon.checks.no_telling import NoTellingCheck

    _refuse_options("no_telling", options)
    return NoTellingCheck()


def _verdict(options: Options, system: str) -> Check:
    from senmon.checks.verdict import VerdictCheck, VerdictOptions

    return VerdictCheck(VerdictOptions.model_validate(options))


_BUILDERS: Mapping[str, Callable[[Options, str], Check]] = {
    "references": _references,
    "grounded": _grounded,
    "safety": _safety,
    "maths": _maths,
    "no_telling": _no_telling,
    "verdict": _verdict,
}
