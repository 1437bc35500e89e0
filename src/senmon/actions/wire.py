"""An action's answer as JSON would bring it, so that an action does the same here and on an action server."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from senmon.errors import ActionFailed


def over_the_wire(name: str, value: Any) -> Any:
    """`value` after JSON: tuples are lists, keys are texts, Decimals are numbers, as on rasa-sdk's server.

    Raises ActionFailed for what is no JSON, where the server would answer 500.
    """
    try:
        return json.loads(json.dumps(value, default=_number))
    except (TypeError, ValueError, RecursionError) as error:
        raise ActionFailed(f"The result of `{name}` is not JSON.") from error


def _number(value: Any) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
