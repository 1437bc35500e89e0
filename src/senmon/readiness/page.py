"""The report as one HTML page: no script, nothing loaded from anywhere, light and dark.

Whatever comes out of a pack is hostile until it is escaped; every text here goes through `text`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from senmon.readiness import plots
from senmon.readiness.assess import Readiness
from senmon.readiness.findings import KINDS, SEVERITIES, Finding
from senmon.readiness.learning_curve import LearningCurve
from senmon.readiness.style import POLICY, STYLE
from senmon.readiness.words import Words
from senmon.readiness.worth import worth

#: Findings of a kind that the page lists; the JSON has more.
LISTED = 25
SUGGESTED = 12
MOST_TAGS = 20
#: Further places that a finding names.
MOST_PLACES = 4
_PLACE = re.compile(r"[./]\S*:\d+$")
_SIGNS = {"error": "✖", "warning": "▲", "note": "•"}


def to_html(report: Readiness, curve: LearningCurve | None = None) -> str:
    """The page. `curve` adds the learning curve that `--curve` measured."""
    parts = (
        _head(report),
        _summary(report),
        _suggestions(report),
        _findings(report),
        _volume(report),
        _lengths(report),
        _variety(report),
        _curve(curve),
        _score(report),
        _foot(report),
    )
    title = text(f"{report.title}: is the data ready?")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>\n"
    )


def text(value: object) -> str:
    """Escaped, without control characters and overrides of the writing direction."""
    shown = "".join(letter if letter.isprintable() or letter == "\n" else "�" for letter in str(value))
    return html.escape(shown, quote=True)


def _head(report: Readiness) -> str:
    return f'<header><p class="label">{text(report.label)}</p><h1>{text(report.title)}: is the data ready?</h1></header>'


def _summary(report: Readiness) -> str:
    score, found = report.score, report.findings.severities
    next_one = score.next_stage
    steps = "".join(f"<li>{line}</li>" for line in _next_step(report))
    ahead = f"<h3>To reach “{text(next_one.name)}”</h3><ul>{steps}</ul>" if next_one else f"<ul>{steps}</ul>"
    tiles = (
        _tile(f"{report.counts.examples:,}", "conversations"),
        _tile(len(report.counts.intents), "intents"),
        _tile(
            found.get("error", 0),
            "error" if found.get("error") == 1 else "errors",
            "bad" if found.get("error") else "good",
        ),
        _tile(found.get("warning", 0), "warnings", "warn" if found.get("warning") else "good"),
    )
    return (
        f'<section class="summary"><div class="score s-{text(score.stage.name.split()[0])}"><b>{score.points:.0f}</b>'
        f"<span>of 100</span></div><div><h2>Stage: {text(score.stage.name)}</h2><p>{text(score.stage.meaning)}</p>"
        f"{ahead}</div></section><div class=tiles>{''.join(tiles)}</div>"
    )


def _next_step(report: Readiness) -> Iterator[str]:
    """What it takes to get to the next stage: first what blocks it, then the fewest suggestions with enough points."""
    score = report.score
    errors = report.findings.severities.get("error", 0)
    if errors:
        kinds = [KINDS[kind].title.lower() for kind in report.findings.errors]
        yield f"mend {errors} error{'s' if errors != 1 else ''}: {text('; '.join(kinds))}"
    if score.next_stage is None:
        yield (
            "Nothing more is asked for. What is listed below would still make it better."
            if not errors
            else ""
        )
        return
    wanted = score.next_stage.least - score.points
    for one in report.suggestions:
        if wanted <= 0:
            break
        yield f"{text(one.title)} <span class=points>{worth(one.points)}</span>"
        wanted -= one.points


def _tile(value: object, name: str, kind: str = "") -> str:
    return f'<div class="tile {kind}"><b>{text(value)}</b><span>{text(name)}</span></div>'


def _suggestions(report: Readiness) -> str:
    rows = []
    for one in report.suggestions[:SUGGESTED]:
        examples = "".join(f"<li>{text(example)}</li>" for example in one.examples)
        shown = f"<ul class=said>{examples}</ul>" if examples else ""
        rows.append(
            f"<li><h3>{text(one.title)} <span class=points>{worth(one.points)}</span></h3><p>{text(one.why)}</p>{shown}</li>"
        )
    return _section(
        "What to do next",
        "The most worthwhile first. The points are what the score gains when it is done. The requests shown are "
        "beginnings made of the pack's own words: reword them as real people would.",
        f"<ol class=next>{''.join(rows)}</ol>" if rows else "<p>Nothing.</p>",
    )


def _findings(report: Readiness) -> str:
    blocks = []
    kinds = sorted(report.findings.counts, key=lambda kind: (_worst(report, kind), list(KINDS).index(kind)))
    for kind in kinds:
        shown, count = report.findings.of_kind(kind), report.findings.counts[kind]
        worst = max((one.severity for one in shown), key=SEVERITIES.index)
        more = (
            f"<p class=quiet>{count - LISTED} more; --json lists {len(shown)}.</p>" if count > LISTED else ""
        )
        opened = " open" if worst == "error" else ""
        blocks.append(
            f'<details{opened}><summary><span class="{worst}">{_SIGNS[worst]}</span> {text(KINDS[kind].title)} '
            f"<span class=points>{count:,}</span></summary><p>{text(KINDS[kind].meaning)}</p><div class=wide><table><tr><th>where<th>what"
            f"<th>what to do</tr>{''.join(map(_finding, shown[:LISTED]))}</table></div>{more}</details>"
        )
    return _section(
        "What was found",
        "✖ errors spoil what is learnt or measured. ▲ warnings weaken it. • notes are worth a look.",
        "".join(blocks) or "<p>Nothing.</p>",
    )


def _worst(report: Readiness, kind: str) -> int:
    return -max(SEVERITIES.index(one.severity) for one in report.findings.of_kind(kind))


def _finding(one: Finding) -> str:
    named = (one.place, *one.others[:MOST_PLACES])
    more = len(one.others) - MOST_PLACES
    places = "<br>".join(map(_broken, named)) + (f"<br>and {more} more" if more > 0 else "")
    score = f" <span class=quiet>(similarity {one.score:.2f})</span>" if one.score is not None else ""
    return f"<tr><td class=place>{places}<td>{text(one.what)}{score}<td>{text(one.remedy)}</tr>"


def _broken(place: str) -> str:
    """A place that breaks behind its slashes and before its line, not within a name."""
    return text(place).replace("/", "/<wbr>").replace(":", "<wbr>:")


def _volume(report: Readiness) -> str:
    counts = report.counts
    facts = (
        ("conversations", f"{counts.examples:,} ({_listed(counts.splits)})"),
        (
            "requests and replies",
            f"{counts.turns:,} user messages, {report.replies:,} replies, {counts.calls:,} calls",
        ),
        ("with several requests", f"{counts.several_turns:,} conversations"),
        ("actions called", _of(report.coverage.actions)),
        ("written-out argument values used", _of(report.coverage.arguments)),
        ("articles used", _of(report.coverage.articles)),
        ("facts named", _of(report.coverage.facts)),
        ("skills (tags)", _tags(counts.tags)),
        ("licences", _listed(counts.licences)),
    )
    left_out = max(0, len(report.requests) - plots.MOST_BARS)
    note = f"<p class=quiet>{left_out} smaller intents are left out.</p>" if left_out else ""
    return _section(
        "How much there is",
        "Per intent: all conversations in grey, and in colour how many different requests it is trained on. Requests "
        "that differ only in politeness or in a number count once.",
        f"<figure>{plots.intent_bars(report)}</figure>{note}{_table(facts)}",
    )


def _of(pair: tuple[int, int]) -> str:
    return f"{pair[0]} of {pair[1]}" if pair[1] else "the pack has none"


def _tags(counts: Mapping[str, int]) -> str:
    """The commonest, without those that only say where a line is from (`data/rules.yml:56`)."""
    told = {name: count for name, count in counts.items() if not _PLACE.search(name)}
    more = f" and {len(told) - MOST_TAGS} more" if len(told) > MOST_TAGS else ""
    return (_listed(dict(list(told.items())[:MOST_TAGS])) + more) or "none"


def _listed(counts: object) -> str:
    return ", ".join(f"{name or '(none)'} {count:,}" for name, count in dict(counts).items())  # type: ignore[call-overload]


def _lengths(report: Readiness) -> str:
    lengths = report.lengths
    facts = (
        ("half are shorter than", f"{lengths.median} tokens"),
        ("95 % are shorter than", f"{lengths.p95} tokens"),
        ("the longest", f"{lengths.longest} tokens"),
        ("the pack's prompt", f"{lengths.prefix} tokens, in every conversation"),
        ("the model reads", f"{lengths.limit} tokens; {lengths.too_long} conversations are longer"),
    )
    return _section(
        "How long the conversations are",
        "A token is about three quarters of a word.",
        f"<figure>{plots.length_histogram(lengths)}</figure>{_table(facts)}",
    )


def _variety(report: Readiness) -> str:
    meaning = report.meaning
    body = _table(
        [*_word_facts("requests", report.request_words), *_word_facts("replies", report.reply_words)]
    )
    openings = ", ".join(
        f"“{words}” {share:.0%}" for words, share in report.request_words.openings[:8] if words
    )
    body += f"<p>Commonest beginnings of requests: {text(openings)}.</p>"
    if meaning is not None and meaning.spreads:
        accuracy = (
            ""
            if meaning.accuracy is None
            else f" Of unseen requests {meaning.accuracy:.1%} get their own intent."
        )
        body += (
            f"<h3>Meaning</h3><p>Bars: how many really different requests an intent holds, by what its sampled requests "
            f"mean.{text(accuracy)}</p><figure>{plots.spread_bars(meaning)}</figure>{_spreads(report)}"
        )
        if meaning.points:
            body += (
                "<p>Map: each point is a request; near points mean similar things. Colours that mix are intents that "
                f"the router may mix up.</p><figure>{plots.meaning_map(meaning)}</figure>"
            )
        body += _blurs(report)
    return _section(
        "How varied it is",
        "People ask one thing in a hundred ways. Data that knows three of them fails.",
        body,
    )


def _word_facts(name: str, words: Words) -> Iterator[tuple[str, str]]:
    yield f"{name}: words", f"{words.words:,}, of which {words.vocabulary:,} different"
    yield (
        f"{name}: new words, pairs, triples",
        f"{words.distinct1:.0%}, {words.distinct2:.0%}, {words.distinct3:.0%} in the first {words.window:,} words",
    )


def _spreads(report: Readiness) -> str:
    assert report.meaning is not None
    rows = "".join(
        f"<tr><td>{text(one.intent)}<td class=n>{one.sampled}<td class=n>{one.clusters:.1f}<td class=n>{one.nearest:.2f}</tr>"
        for one in report.meaning.spreads
    )
    return (
        "<details><summary>All intents</summary><div class=wide><table><tr><th>intent<th>looked at<th>worth so many "
        f"different ones<th>distance to the next</tr>{rows}</table></div></details>"
    )


def _blurs(report: Readiness) -> str:
    blurs = report.meaning.blurs if report.meaning else ()
    if not blurs:
        return ""
    rows = "".join(
        f"<tr><td>{text(one.intent)}<td>{text(one.taken_for)}<td class=n>{one.count} of {one.of}<td>{text(one.request)}"
        f"<td>{text(one.alike)}</tr>"
        for one in blurs
    )
    return (
        "<h3>Intents that are mixed up</h3><div class=wide><table><tr><th>intent<th>taken for<th>how often<th>a request"
        f"<th>the other's nearest</tr>{rows}</table></div>"
    )


def _curve(curve: LearningCurve | None) -> str:
    if curve is None:
        body = "<p>Not measured. <code>senmon check PACK --curve</code> tunes on parts of the data, which takes minutes.</p>"
    else:
        facts = (
            ("untuned", f"{curve.base:.3f}"),
            *((f"{point.examples:,} examples", f"{point.loss:.3f}") for point in curve.points),
            ("power law", f"{curve.law.floor:.3f} + {curve.law.scale:.3f} · n^−{curve.law.slope:.3f}"),
        )
        body = f"<p>{text(curve.meaning)}</p><figure>{plots.curve_plot(curve)}</figure>{_table(facts)}"
    return _section(
        "What more data would bring",
        "Loss: how surprised the tuned model is by held-out replies. Less is better.",
        body,
    )


def _score(report: Readiness) -> str:
    rows = "".join(
        f"<tr><td>{text(part.title)}<td class=n>{_points(part.value, report.score.weight(part.name) if part.value is not None else 0)}"
        f"<td>{text(part.found)}<td class=quiet>{text(part.formula)}</tr>"
        for part in report.score.parts
    )
    return _section(
        "How the score is made",
        "Points of all parts added up. Parts that could not be measured leave their points to the others.",
        f"<figure>{plots.score_bars(report.score)}</figure><div class=wide><table><tr><th>part<th>points<th>found<th>how it "
        f"is counted</tr>{rows}</table></div>",
    )


def _points(value: float | None, weight: float) -> str:
    return "–" if value is None else f"{value * weight:.1f} of {weight:.1f}"


def _foot(report: Readiness) -> str:
    notes = "".join(f"<li>{text(note)}</li>" for note in report.notes)
    return f"<footer><ul>{notes}</ul><p>Pack {text(report.label)}, digest {text(report.digest[:12])}.</p></footer>"


def _section(title: str, lead: str, body: str) -> str:
    return f"<section><h2>{text(title)}</h2><p class=lead>{text(lead)}</p>{body}</section>"


def _table(rows: Iterable[Sequence[str]]) -> str:
    cells = "".join(f"<tr><th scope=row>{text(row[0])}<td>{text(row[1])}</tr>" for row in rows)
    return f"<div class=wide><table class=facts>{cells}</table></div>"
