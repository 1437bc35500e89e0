# ruff: noqa: E501 -- texts and patterns, one a line
"""`docs/evaluation.md`: a page that follows from the JSON beside it, and from nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from senmon.evaluation.served.figures import CHECK_BAR

HEAD = """# Evaluation

Written by `senmon eval PACK --output docs/evaluation.md` from `evaluation.json` beside it; don't edit it by hand. What a person has to
say of the figures stands in `evaluation/notes-PACK.md` and is copied in.

```
senmon eval support --output docs/evaluation.md     # base and adapter, every suite
senmon eval tutor --suite pupil --limit 20          # one suite, a few items, nothing written
senmon eval support --base-only --base Qwen/Qwen3-0.6B --suite requests
```

Any pack can have blind texts: `NAME-requests.jsonl` where it has actions and articles, `NAME-turns.jsonl` where it teaches, and lines
of its own in `offtopic.jsonl` and `replies-labelled.jsonl`; the fields are described in `evaluation/blind/README.md`. Labelled sets of
checks lie in `evaluation/checks`. What a run has measured is kept in `SENMON_HOME/evaluation`, so an interrupted run goes on.

## How it is measured

- **The whole assistant answers**, not the model alone: routing among all packs, retrieval, the engine with the adapter, actions
  on a database of each conversation's own, checks. Earlier messages of the visitor are said anew, so the assistant lives with
  what it answered before.
- **Blind texts.** `evaluation/blind` was written by an author who had not seen the training data or its templates; sha256 digests of
  its files are frozen in `evaluation/blind/DIGESTS`, and a changed file is refused. Nothing is learnt from it.
- **Guards don't grade themselves.** Facts and mathematics are judged by oracles that share no code with the checks: facts by a second
  reader of numbers, dates, ids, amounts, names and deeds; mathematics by a parser of its own with exact fractions, which
  compares expressions at random rational numbers and finds roots by interpolation. How good the oracles are is measured too, on the
  replies that the author of the blind texts labelled.
- **Before checks** is what the model wrote at first, references filled in; **after checks** is what the visitor saw.
- **A simulated pupil** brings a problem and one misconception (signs, forgotten division, half-multiplied brackets, letters on both
  sides, added denominators, order of operations, percentages), types in varied ways and sees the error with a chance that depends on
  the tutor's reply: whether it speaks of that step's operation and of its numbers (both: 40 %, one: 12 %, neither: 3 %), whether the
  line is called wrong (5 % more), whether it shows the very line (95 %). Success and telling are counted as MathDial does (arXiv 2305.14536; human teachers
  there .766 and .077): turns from the reply to the first attempt, telling from the first word. A control that gives random hints
  teaches the same pupils. The pupil reacts to what is said of the step, not to how it is said; it does not lose heart, change the subject or
  learn something else. It ranks tutors, it is no class.
- **The bare base** has at most 100 items of each suite, evenly chosen; differences are taken on items that both have.
- **Intervals** are 95 %: Wilson's for shares, bootstrap for paired differences. **Met** compares the value itself with the bar.
"""
Rows = tuple[Sequence[str], Sequence[Sequence[str]]]
COLUMNS = {"base": "bare base", "adapter": "adapter"}


def render(data: Mapping[str, Any]) -> str:
    """The page for this data."""
    parts = [HEAD.rstrip()]
    for name, section in data["packs"].items():
        parts.append("\n\n".join(_pack(name, section)))
    return "\n\n".join(parts) + "\n"


def plot_name(pack: str) -> str:
    return f"evaluation-{pack}.png"


def _pack(name: str, section: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {name}"
    yield "\n".join(f"- {line}" for line in _facts(section))
    if section["figures"]:
        yield f"### Figures of {name}"
        yield table(*figure_rows(section))
        yield f"![Figures of {name}, base and adapter]({plot_name(name)})"
    if differences := list(difference_rows(section)):
        yield "Adapter minus base, on the same items:"
        yield table(("suite", "what it says", "difference", ""), differences)
    if section["times"]:
        yield f"### Times of {name}"
        yield table(*time_rows(section))
        yield f"One message at a time, in a new conversation each; the machine's load was up to {section['load']:g} meanwhile."
    if section["checks"]:
        yield f"### Checks and oracles of {name}"
        yield table(*check_rows(section))
    if section["unmeasured"]:
        yield f"Without a labelled set: {', '.join(section['unmeasured'])}."
    for suite, faults in section["faults"].items():
        yield (
            f"Most frequent faults in `{suite}`: "
            + "; ".join(f"{kind} ({count})" for kind, count in faults.items())
            + "."
        )
    if section["notes"]:
        yield f"### Remarks on {name}"
        yield from section["notes"]


def _facts(section: Mapping[str, Any]) -> Iterator[str]:
    subjects = [f"adapter {version}" for version in section["subjects"].values() if version]
    yield f"{section['pack']} on base {section['base']} ({section['base_digest']})" + "".join(
        f", {one}" for one in subjects
    )
    yield f"{section['created']}, {section['seconds']:.0f} s" + (
        f"; at most {section['limit']} items of each suite" if section["limit"] else ""
    )
    if section["gate"]:
        word = "passed" if section["gate"].get("passed") else "failed"
        yield f"newest gate of the adapter: {word} ({section['gate'].get('mode', '')})"
    yield "blind material: " + (
        ", ".join(f"{name} {digest[:12]}" for name, digest in sorted(section["blind"].items())) or "none"
    )


def share(metric: Mapping[str, Any]) -> str:
    return f"{100 * metric['value']:.1f} % ({100 * metric['low']:.1f}–{100 * metric['high']:.1f}), n = {metric['n']}"


def verdict(met: bool | None) -> str:
    return "" if met is None else "met" if met else "**missed**"


def figure_rows(section: Mapping[str, Any]) -> Rows:
    subjects = list(section["subjects"])
    rows = []
    for figure in section["figures"].values():
        values = [share(figure["values"][one]) if one in figure["values"] else "–" for one in subjects]
        says = figure["says"] + (" (less is better)" if figure["low"] else "")
        rows.append((figure["suite"], says, *values, figure["bar"], verdict(figure["met"])))
    return ("suite", "what it says", *(COLUMNS.get(one, one) for one in subjects), "bar", ""), rows


def difference_rows(section: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    for figure in section["figures"].values():
        if found := figure["difference"]:
            says = figure["says"] + (" (less is better)" if figure["low"] else "")
            shown = f"{100 * found['value']:+.1f} ({100 * found['low']:+.1f} to {100 * found['high']:+.1f}) points"
            yield figure["suite"], says, shown, found["verdict"]


def time_rows(section: Mapping[str, Any]) -> Rows:
    subjects = list(section["subjects"])
    rows = []
    for found in section["times"].values():
        for key in ("p50", "p95"):
            values = [
                f"{found['values'][one][key]:.2f}" if one in found["values"] else "–" for one in subjects
            ]
            aim = f"≤ {found['aim']:g}" if found["aim"] and key == "p50" else ""
            leading = found["values"].get("adapter") or found["values"].get("base")
            met = verdict(leading[key] <= found["aim"]) if aim and leading else ""
            rows.append((f"{found['says']}, {key}", *values, aim, met))
    return ("time", *(COLUMNS.get(one, one) for one in subjects), "aim", ""), rows


def check_rows(section: Mapping[str, Any]) -> Rows:
    rows = []
    for one in section["checks"]:
        cells = [share(one[kind]) if one[kind] else "–" for kind in ("precision", "recall")]
        held = one["source"] == "its own labelled set"
        good = all(one[kind] and one[kind]["value"] >= CHECK_BAR for kind in ("precision", "recall"))
        rows.append((one["name"], f"{one['source']}: {one['n']}, {one['bad']} bad", *cells,
                     f"≥ {100 * CHECK_BAR:g} %" if held else "", verdict(good) if held else ""))  # fmt: skip
    return ("judge", "on", "precision", "recall", "bar", ""), rows


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in lines)
