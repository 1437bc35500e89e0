"""Arguments of a call, checked before anything runs."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any

import regex

from senmon.errors import ActionFailed, ActionRejected
from senmon.packs.manifest import ActionSpec

#: The slot that says who the customer is. The runner sets it from the verified identity, nobody else.
CUSTOMER_SLOT = "customer_id"
MAX_ARGUMENT_BYTES = 8192
#: As for candidates: a pattern that takes longer refuses the argument.
PATTERN_SECONDS = 0.25


def check_arguments(spec: ActionSpec, arguments: Mapping[str, Any]) -> None:
    """Raises ActionRejected naming every argument at fault (`field` is the first one), ActionFailed when the
    schema itself is wrong.
    """
    faults = _faults(spec, arguments)
    if not faults:
        return
    told = "; ".join(f"{field}: {why}" if field else why for field, why in faults)
    raise ActionRejected(f"`{spec.name}` got wrong arguments: {told}", field=faults[0][0])


def _faults(spec: ActionSpec, arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    if CUSTOMER_SLOT in arguments:
        return [(CUSTOMER_SLOT, "is set from the verified identity only")]
    if _too_large(arguments):
        return [("", f"must be JSON of at most {MAX_ARGUMENT_BYTES} bytes")]
    known = spec.parameters.get("properties", {})
    unknown = [(name[:64], "is no parameter of this action") for name in arguments if name not in known]
    return unknown + _schema_faults(spec, arguments)


def _too_large(arguments: Mapping[str, Any]) -> bool:
    try:
        text = json.dumps(dict(arguments), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return True
    return len(text.encode("utf-8", "replace")) > MAX_ARGUMENT_BYTES


@functools.cache
def _validator() -> Any:
    """Draft 2020-12 whose patterns can be stopped: the argument is a visitor's, the pattern a pack's."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    return extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]


def _pattern(validator: Any, pattern: str, value: Any, schema: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if not isinstance(value, str):
        return
    try:
        if not regex.search(pattern, value, timeout=PATTERN_SECONDS, concurrent=True):
            yield ValidationError(f"{value!r} does not match {pattern!r}")
    except TimeoutError:
        yield ValidationError("takes too long to compare with its pattern")


def _schema_faults(spec: ActionSpec, arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    from referencing import Registry

    # An explicit registry: without one jsonschema fetches remote `$ref`s over the network.
    validator = _validator()({"type": "object", **spec.parameters}, registry=Registry())
    try:
        errors = list(validator.iter_errors(dict(arguments)))
    except Exception as error:  # jsonschema raises whatever a wrong schema makes it trip over
        why = f"The parameters of `{spec.name}` are not a usable JSON Schema."
        raise ActionFailed(why, remedy="correct them in pack.yaml") from error
    errors.sort(key=lambda error: [str(part) for part in error.path])
    return [(".".join(str(part) for part in error.path), error.message[:200]) for error in errors]
