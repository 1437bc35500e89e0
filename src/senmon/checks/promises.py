"""Claims to have done something: `I have refunded you`, `your order has been cancelled`.

Such a claim needs an action that succeeded and had to do with it. English.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from senmon.messages import CONTEXT, Message

#: Verb → stems that an action's name or result shows when it really happened.
_FAMILIES: dict[str, str] = {
    "refunded": "refund return credit",
    "cancelled": "cancel",
    "canceled": "cancel",
    "changed": "chang updat edit set",
    "updated": "updat chang edit set",
    "corrected": "correct updat chang edit",
    "booked": "book reserv schedul appointment",
    "reserved": "reserv book",
    "scheduled": "schedul book appointment pickup",
    "rescheduled": "schedul book appointment",
    "ordered": "order",
    "placed": "order plac",
    "shipped": "ship dispatch deliver sent",
    "dispatched": "dispatch ship sent",
    "sent": "send sent mail ship dispatch",
    "resent": "send sent mail",
    "emailed": "mail send sent",
    "e-mailed": "mail send sent",
    "processed": "process refund return order payment",
    "issued": "issu refund credit voucher label",
    "submitted": "submit creat open fil ticket",
    "filed": "fil creat open submit ticket claim",
    "opened": "open creat start ticket return case",
    "created": "creat open start ticket return case",
    "started": "start creat open return",
    "escalated": "escalat handoff transfer person",
    "transferred": "transfer handoff escalat person",
    "credited": "credit refund",
    "charged": "charg payment pay",
    "replaced": "replac exchang",
    "exchanged": "exchang replac",
    "reset": "reset password",
    "deleted": "delet remov clos",
    "removed": "remov delet cancel",
    "upgraded": "upgrad",
    "downgraded": "downgrad",
    "added": "add",
    "applied": "appl discount coupon",
    "arranged": "arrang schedul book return pickup",
    "registered": "regist creat sign",
    "activated": "activat enabl",
    "deactivated": "deactivat disabl clos",
    "blocked": "block freez",
    "unsubscribed": "unsubscrib",
    "closed": "clos delet",
    "paused": "paus",
    "confirmed": "confirm",
    "approved": "approv",
    "waived": "waiv",
    "extended": "exten",
}
#: Verb → what a result may call the state that it leads to, where that is more than the verb itself.
_STATES = {
    "cancelled": "cancelled canceled",
    "canceled": "cancelled canceled",
    "refunded": "refunded credited",
    "shipped": "shipped dispatched sent",
    "dispatched": "shipped dispatched sent",
    "booked": "booked reserved scheduled confirmed",
    "rescheduled": "rescheduled scheduled",
    "processed": "processed refunded paid",
    "opened": "opened open created",
    "created": "created open opened",
}
_BASE = {
    "refund": "refunded",
    "cancel": "cancelled",
    "credit": "credited",
    "replace": "replaced",
    "reship": "shipped",
    "refunding": "refunded",
    "cancelling": "cancelled",
    "canceling": "cancelled",
    "crediting": "credited",
    "replacing": "replaced",
    "processing": "processed",
    "sending": "sent",
    "booking": "booked",
    "issue": "issued",
    "process": "processed",
    "waive": "waived",
}
_DONE = "|".join(sorted(map(re.escape, _FAMILIES), key=len, reverse=True))
_TO_DO = "|".join(sorted((verb for verb in _BASE if not verb.endswith("ing")), key=len, reverse=True))
_DOING = "|".join(sorted((verb for verb in _BASE if verb.endswith("ing")), key=len, reverse=True))
_ADVERBS = r"(?:\s+(?:just|now|already|successfully|also|gone ahead and|immediately|duly|right now))*"
_THING = (
    r"(?:it|this|that|your(?:\s+[\w-]+){1,4}?|the (?:order|refund|return|booking|ticket|payment|"
    r"appointment|money)"
    r"(?:\s+[#\w-]+)?|everything)"
)
_CLAIM = re.compile(
    rf"\b(?:I|we)(?:['’]ve|\s+have)?{_ADVERBS}\s+(?P<active>{_DONE})\b"
    rf"|\b{_THING}\s+(?:has|have)(?:\s+now)?{_ADVERBS}\s+been{_ADVERBS}\s+(?P<passive>{_DONE})\b"
    rf"|\b{_THING}\s+(?:is|are){_ADVERBS}\s+(?P<state>cancelled|canceled|refunded|booked|rescheduled)\b"
    rf"|\b(?:I|we)(?:['’]ll|\s+will|['’]m going to|\s+am going to){_ADVERBS}\s+(?P<future>{_TO_DO})\b"
    rf"|\b(?:I['’]m|I am|we['’]re|we are){_ADVERBS}\s+(?P<doing>{_DOING})\b"
    rf"|^\W*(?:(?:done|all set|ok|okay|great|sure)\W+)?(?:successfully\s+)(?P<bare>{_DONE})\b",
    re.IGNORECASE,
)
#: Before a claim in its clause: it is not said to have happened.
_OPEN = re.compile(
    r"\b(?:if|when|whenever|once|after|until|till|unless|whether|before|as soon as|in case|that|which|"
    r"who|not|never|"
    r"did|have|has|shall|should|would|could|can|may|might|while|where|how)\b[^.;:!?]*$",
    re.IGNORECASE,
)
_CONDITION_AFTER = re.compile(
    r"^[^.;!?]*\b(?:if|once|as soon as|when|unless|after) (?:you|we|the|it|your)\b", re.I
)
_CLAUSE = re.compile(
    r"[.;:!?\n]|,\s+(?:and|but|so)\s+|,\s+(?=(?:I|we|your)\b)|\s+(?:and|but)\s+(?=(?:I|we)\b)", re.I
)
_SUBJECT = re.compile(r"[a-z]{5,}")


@dataclass(frozen=True, slots=True)
class Promise:
    """A claim, as written, with the verb that names its family."""

    text: str
    verb: str
    clause: str


def promises(text: str) -> Iterator[Promise]:
    """Claims of `text`, less questions, conditions and denials."""
    for match in _CLAIM.finditer(text):
        head = text[: match.start()]
        cuts = list(_CLAUSE.finditer(head))
        before = head[cuts[-1].end() :] if cuts else head
        end = _CLAUSE.search(text, match.end())
        after = text[match.end() : end.start() if end else len(text)]
        asked = bool(end) and end is not None and end[0] == "?"
        if asked or _OPEN.search(before) or _CONDITION_AFTER.search(text[match.end() :]):
            continue
        verb = next(value for value in match.groupdict().values() if value).lower()
        yield Promise(match[0], _BASE.get(verb, verb), match[0] + after)


def kept(promise: Promise, messages: Iterable[Message]) -> bool:
    """Whether an action that succeeded had to do with the promise: its name or its result says so."""
    stems = _FAMILIES[promise.verb].split()
    subjects = set(_SUBJECT.findall(promise.clause.lower())) - {promise.verb}
    for message in messages:
        if message.role != "tool" or message.name == CONTEXT or failed(message.content):
            continue
        if _reports(promise.verb, message.content):
            return True
        name = message.name.lower()
        parts = {part for part in re.split(r"[^a-z]+", name) if len(part) >= 5}
        if not _lookup(name) and (parts & subjects or any(stem in name for stem in stems)):
            return True
    return False


def failed(result: str) -> bool:
    """Whether an action's result reports a failure."""
    try:
        data = json.loads(result)
    except ValueError:
        return False
    if not isinstance(data, dict):
        return False
    status = str(data.get("status", "")).lower()
    refused = any(data.get(field) is False for field in ("ok", "success", "succeeded", "done"))
    return (
        bool(data.get("error")) or refused or status in {"error", "failed", "failure", "denied", "rejected"}
    )


def _lookup(name: str) -> bool:
    return bool(re.search(r"status|look|find|get|show|check|search|list|info|track", name))


def _reports(verb: str, result: str) -> bool:
    """Whether a value of the result, not the name of a field, says that it is done: `"status": "shipped"`."""
    states = _STATES.get(verb, verb).split()
    told = re.sub(r'"[^"]*"\s*:', " ", result.lower())
    return any(re.search(rf"(?<![a-z]){re.escape(state)}(?![a-z])", told) for state in states)
