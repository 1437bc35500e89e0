"""Personal data and licences: what should not be in a published dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from senmon.dataset.example import Dataset
from senmon.messages import CONTEXT
from senmon.packs.pack import Pack
from senmon.pii import Personal, find_personal
from senmon.readiness.findings import Finding, Severity, finding, shortened

_NAMES = {
    "email": "an e-mail address",
    "card": "a card number",
    "iban": "a bank account",
    "phone": "a phone number",
}
_NAMES |= {"ip": "an IP address", "national id": "a national number"}


def personal_findings(pack: Pack, dataset: Dataset) -> Iterator[Finding]:
    """What looks like somebody's, less what the pack itself publishes (its own hotline, its own address)."""
    own = _published(pack)
    seen: dict[str, tuple[Personal, ...]] = {}
    for example in dataset.examples:
        told: set[str] = set()
        for message in example.messages:
            if message.name == CONTEXT:
                continue
            said = " ".join(
                [message.content, *(str(v) for c in message.tool_calls for v in c.arguments.values())]
            )
            if not any(letter.isdigit() or letter == "@" for letter in said):
                continue
            found = seen.get(said)
            if found is None:
                found = find_personal(said)
                if len(seen) < 100_000:
                    seen[said] = found
            for one in found:
                if one.text not in told and one.text not in own:
                    told.add(one.text)
                    yield _personal(example.source, message.role, one)


def _published(pack: Pack) -> str:
    texts = [pack.system, pack.manifest.texts.model_dump_json()]
    return "\n".join(
        [*texts, *(f"{article.text} {article.url} {article.facts}" for article in pack.articles)]
    )


def _personal(source: str, role: str, found: Personal) -> Finding:
    detail = f" ({found.detail})" if found.detail else ""
    severity: Severity = "note" if found.made_up else "error"
    remedy = (
        "nothing: it is one of those kept free for examples"
        if found.made_up
        else "replace it with a made-up one"
    )
    who = {"user": "the visitor", "assistant": "the assistant"}.get(role, "a result")
    return finding(
        "personal_data",
        severity,
        [source],
        f"{who} gives {_NAMES[found.kind]}{detail}: {_hidden(found.text)}",
        remedy,
    )


def _hidden(text: str) -> str:
    """Enough to find it, too little to use it: the report may travel further than the data."""
    return f"{text[:2]}{'·' * min(8, max(1, len(text) - 4))}{text[-2:]}"


def licence_findings(pack: Pack, dataset: Dataset) -> Iterator[Finding]:
    """Each licence of the data once: unknown, not a licence, or one that forbids what a pack is for."""
    places: dict[str, list[str]] = {}
    for example in dataset.examples:
        places.setdefault(example.licence, []).append(example.source)
    for name, sources in sorted(places.items()):
        fault = licence_fault(name, pack.manifest.licence)
        if fault:
            severity, why, remedy = fault
            count = f"{len(sources)} example{'s' if len(sources) != 1 else ''}"
            yield finding("licence", severity, sources, f"`{shortened(name, 60)}` ({count}): {why}", remedy)


def licence_fault(name: str, of_pack: str) -> tuple[Severity, str, str] | None:
    """What stands against a licence in a pack under `of_pack`: severity, why, remedy."""
    plain = name.strip().casefold()
    if not plain or "unknown" in plain or plain in ("none", "other", "n/a", "tbd", "?"):
        return (
            "error",
            "nobody knows under which terms this may be used",
            "find out, and name it as SPDX does",
        )
    try:
        identified = canonicalize_license_expression(name.replace("LicenseRef-", "LicenseRef-"))
    except InvalidLicenseExpression:
        return "warning", "is no SPDX expression", "write it as spdx.org/licenses does, for example CC-BY-4.0"
    choices = [_restriction(part, of_pack) for part in _alternatives(str(identified))]
    return next((None for choice in choices if choice is None), choices[0])


def _alternatives(expression: str) -> list[str]:
    return [part.strip("() ") for part in expression.split(" OR ")]


_RESTRICTIONS: Mapping[str, tuple[Severity, str, str]] = {
    "-NC": ("error", "forbids commercial use", "leave it out, or ask its owner"),
    "-ND": (
        "error",
        "forbids changed copies, and a model learns from changed copies",
        "leave it out, or ask its owner",
    ),
    "LicenseRef-": (
        "warning",
        "is a licence of its own: read what it allows",
        "keep its text beside the data",
    ),
}
_SHARE_ALIKE = ("-SA-", "GPL", "ODbL", "CDLA-Sharing", "EUPL", "OSL", "MPL")


def _restriction(licence: str, of_pack: str) -> tuple[Severity, str, str] | None:
    for sign, fault in _RESTRICTIONS.items():
        if sign in licence:
            return fault
    sharing = next((sign for sign in _SHARE_ALIKE if sign.casefold() in licence.casefold()), None)
    if sharing and sharing.casefold() not in of_pack.casefold():
        why = f"asks that what is made of it keeps its terms; the pack is under {of_pack}"
        return "warning", why, "publish the pack under the same terms, or leave it out"
    return None
