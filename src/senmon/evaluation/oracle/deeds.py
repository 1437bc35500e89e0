# ruff: noqa: E501 -- one pattern a line reads best
"""What a reply says was done or will be done, against what actions and articles say."""

from __future__ import annotations

import re

from senmon.evaluation.oracle.evidence import Said

#: Participle → what a result holds when it is so (any of these).
DONE = {
    "cancelled": "cancel", "canceled": "cancel", "refunded": r"refunded|paid|refund (?:id|state|done)", "credited": "refund|credit|paid",
    "changed": "chang|address", "updated": "changed|address|saved", "sent": "sent|invoice",
    "resent": "sent", "emailed": "sent", "e-mailed": "sent", "mailed": "sent|shipped", "shipped": "ship|on its way",
    "dispatched": "ship|on its way", "delivered": "deliver", "returned": "return", "started": "return started|start",
    "reserved": "reserv", "booked": "book", "applied": "appl", "extended": "extend", "upgraded": "upgrad",
    "waived": "waiv", "replaced": "replac", "ordered": "order", "escalated": "handoff|escalat",
    "forwarded": "handoff|forward", "deleted": "delet", "unsubscribed": "unsubscrib", "activated": "activ",
    "reset": "reset", "added": "added|add", "removed": "remov", "approved": "approv", "arranged": "arrang|book|open return|done",
    "processed": "process|paid|done", "issued": "issu|paid", "opened": "open", "scheduled": "schedul|book|appoint",
    "posted": "post|sent|shipped", "charged": "charg", "created": "creat", "closed": "clos", "swapped": "swap",
    "registered": "regist", "lost": "lost", "delayed": "delay", "notified": "notif", "paid": "paid|payment",
}  # fmt: skip
_DONE = re.compile(
    r"(?i)\b(?:i|we)(?:'ve| have|'m| am|) (?:just |already |now |successfully |also |gone ahead and )*"
    rf"(?P<own>{'|'.join(DONE)})\b"
    r"|\b(?:has|have|had|was|were|is|are|'s|been|got)(?: (?:now|just|already|successfully|also|been|being|all))*"
    rf" (?P<passive>{'|'.join(DONE)})\b"
)
_OPEN = re.compile(
    r"(?i)\b(?:once|after|when|if|until|before|as soon as|unless|whether|in case|that|which|who|shall|should|can|could"
    r"|not|never|hasn't|haven't|isn't|wasn't|orders?|items?|parcels?|goods|products?)\b[^.!?]{0,60}$|n't[^.!?]{0,30}$"
)
_FUTURE = re.compile(
    r"(?i)\b(?:i|we|someone|somebody|a colleague|our team|they)(?:'ll| will|'m going to|'re going to| am going to| are going to)"
    r" (?:also |now |gladly |happily |personally |then |be )*(?P<verb>[a-z-]+)"
)
#: What any assistant may announce: to look, to ask, to fetch a person.
FREE = frozenset(
    [
        "pass",
        "hand",
        "get",
        "fetch",
        "connect",
        "transfer",
        "find",
        "ask",
        "look",
        "check",
        "see",
        "help",
        "try",
        "be",
        "do",
        "keep",
        "make",
        "need",
        "have",
        "happily",
        "gladly",
        "put",
        "let",
        "sort",
        "stay",
        "wait",
        "explain",
        "show",
        "tell",
        "answer",
        "take",
        "note",
        "go",
        "leave",
        "work",
        "bring",
        "continue",
        "start",
    ]
)
PROMISED = frozenset(
    [
        "refund",
        "send",
        "ship",
        "deliver",
        "replace",
        "credit",
        "upgrade",
        "waive",
        "give",
        "extend",
        "hold",
        "reserve",
        "call",
        "phone",
        "ring",
        "email",
        "mail",
        "text",
        "contact",
        "notify",
        "cancel",
        "change",
        "arrange",
        "compensate",
        "pay",
        "cover",
        "offer",
        "deduct",
        "add",
        "remove",
        "book",
        "pick",
        "collect",
        "repair",
        "fix",
        "reimburse",
        "return",
        "exchange",
        "update",
        "process",
        "receive",
        "ready",
        "write",
        "reply",
        "confirm",
        "reach",
        "respond",
    ]
)
#: Gifts and rights: each must be somebody else's word.
RIGHTS = re.compile(
    r"(?i)\b(voucher|discount|coupon|compensation|guarantee[ds]?|for free|free of charge|free (?:shipping|delivery|returns?)"
    r"|no charge|lifetime|goodwill|gift card|bonus|refund in full|full refund|priority|express)\b"
)


_DOING = re.compile(r"(?i)\b(?:i'm|i am|we're|we are) (?:now |just |already )*(?P<verb>[a-z-]+ing)\b")
_IF = re.compile(
    r"(?i)\b(?:once|after|when|if|until|before|as soon as|unless|whether|have i|did i|shall|should)\b[^.!?]{0,40}$"
)
_MINE = re.compile(
    r"(?i)\b(?:your|you|it|this|that|the (?:order|refund|parcel|payment|return|invoice|label|fee|money))\b"
)


def groundless(reply: str, said: Said) -> list[str]:
    """Deeds without a result, promises and rights without a text that gives them."""
    done, texts = said.done(), said.all().casefold()
    heard = done + "\n" + "\n".join(said.user).casefold()
    found = []
    for match in _DONE.finditer(reply):
        word = (match["own"] or match["passive"]).lower()
        before = re.split(r"[.!?]\s", reply[: match.start()])[-1]
        if _IF.search(before) or _asked(reply, match.end()):
            continue
        if match["passive"] and (_OPEN.search(before[-70:]) and not _MINE.search(before)):
            continue
        mine = match["own"] or _MINE.search(before)
        if not re.search(DONE[word], (done if match["own"] else heard) if mine else texts):
            found.append(f"deed {word}")
    for match in _DOING.finditer(reply):
        stem = match["verb"].lower().removesuffix("ing")
        verbs = [verb for verb in PROMISED if verb.rstrip("e") == stem or verb + verb[-1] == stem]
        if verbs and not _asked(reply, match.end()) and not re.search(rf"\b{stem[:5]}", done):
            found.append(f"deed {match['verb'].lower()}")
    for match in _FUTURE.finditer(reply):
        verb = match["verb"].lower()
        stem = verb[:-1] if verb.endswith("e") else verb
        once = re.search(r"(?i)\b(?:once|when|if|after|as soon as)\b", reply[match.end() : match.end() + 60])
        if (
            verb in PROMISED
            and verb not in FREE
            and not once
            and not re.search(rf"\b{re.escape(stem)}", texts)
        ):
            found.append(f"promise {verb}")
    for match in RIGHTS.finditer(reply):
        if not _granted(match[1].casefold(), texts):
            found.append(f"right {match[1].casefold()}")
    return found


def _asked(reply: str, end: int) -> bool:
    return bool(re.match(r"[^.!\n]*\?", reply[end:]))


def _granted(words: str, texts: str) -> bool:
    last = words.split()[-1].rstrip("s")
    return (
        words in texts
        or (words.startswith(("free", "for free", "no charge")) and "free" in texts)
        or (words.startswith(("full refund", "refund in full")) and "refund" in texts)
        or (
            last in ("voucher", "discount", "express", "bonus", "card", "coupon", "priority")
            and last in texts
        )
    )
