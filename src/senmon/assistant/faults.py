"""What a visitor may know of a fault. Files, servers and keys are the operator's affair."""

from __future__ import annotations

from typing import Any

from senmon.errors import EngineBusy, EngineUnavailable, PromptTooLong, SenmonError

_OURS = ("Something broke on our side.", "try again")
_UNAVAILABLE = ("No answer can be made just now.", "try again in a moment")
#: For a fault that nobody foresaw.
INTERNAL = {"code": "internal_error", "message": _OURS[0], "remedy": _OURS[1]}

#: For a turn that was cut off and can't go on.
INTERRUPTED = {
    "code": "interrupted",
    "message": "The server stopped while it was answering.",
    "remedy": "send the message again",
}


def public_fault(error: SenmonError) -> dict[str, Any]:
    """The data of an `error` event."""
    message, remedy = _UNAVAILABLE if isinstance(error, EngineUnavailable) else _OURS
    if isinstance(error, EngineBusy | PromptTooLong):
        message, remedy = error.message, error.remedy
    data: dict[str, Any] = {"code": error.code, "message": message, "remedy": remedy}
    if (wait := getattr(error, "retry_after", None)) is not None:
        data["retry_after"] = wait
    return data
