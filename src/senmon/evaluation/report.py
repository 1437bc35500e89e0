"""An evaluation for people and programs: JSON, Markdown, and one HTML file that needs nothing else."""

from __future__ import annotations

import html
import io
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from senmon.adapters.durable import write_text
from senmon.evaluation.metrics import Metric
from senmon.evaluation.result import LOSS, LOWER_IS_BETTER, MEANING, EvalReport, Measurement

#: Replies shown in full in the reports; all of them are in the JSON.
SHOWN = 12
COLOURS = {"base": "#8a8f98", "promoted": "#3b6fb6", "candidate": "#1f8a5b"}
STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1d21}
table{border-collapse:collapse;width:100%}
th,td{border-bottom:1px solid #d7dae0;padding:.35rem .5rem;text-align:left}
td.n{font-variant-numeric:tabular-nums;white-space:nowrap}svg{max-width:100%;height:auto}
.better{color:#146c43}.worse{color:#b02a37}pre{white-space:pre-wrap;overflow-wrap:anywhere}
"""


def to_json(report: EvalReport) -> str:
    return json.dumps(report.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def number(value: float) -> str:
    return "∞" if math.isinf(value) else f"{value:.3f}"


def figure(metric: Metric) -> str:
    """`0.912 (0.850 to 0.951)`."""
    if math.isinf(metric.low):
        return f"{number(metric.value)} (a single case)"
    return f"{number(metric.value)} ({number(metric.low)} to {number(metric.high)})"


def title(report: EvalReport) -> str:
    return f"Evaluation of {report.pack} ({report.mode})"


def facts(report: EvalReport) -> tuple[str, ...]:
    """One line each: what was measured, and every note."""
    versions = [f"{one.subject} {one.version[:12]}" for one in report.measurements if one.version]
    replies = len(report.measurements[0].outcomes)
    return (
        f"base {report.base or '(remote)'} {report.base_digest[:12]}"
        + (f"; {'; '.join(versions)}" if versions else ""),
        f"dataset {report.dataset_digest[:12]}; {len(report.measurements[0].losses)} held-out examples, "
        f"{replies} replies per subject; {report.seconds:.0f} s; {report.created}",
        *(f"note: {note}" for note in report.notes),
    )


def metric_rows(report: EvalReport) -> list[tuple[str, ...]]:
    """Per metric: its meaning, and a figure per subject."""
    names = [name for name in MEANING if any(name in one.metrics for one in report.measurements)]
    return [
        (
            name,
            MEANING[name],
            *(figure(one.metrics[name]) if name in one.metrics else "–" for one in report.measurements),
        )
        for name in names
    ]


def comparison_rows(report: EvalReport) -> list[tuple[str, str, str, str]]:
    return [
        (found.metric, f"{found.subject} − {found.against}", figure(found.difference), found.verdict)
        for found in report.comparisons
    ]


def figures_table(report: EvalReport) -> str:
    """The Markdown table of metrics, as model cards show it."""
    subjects = [one.subject for one in report.measurements]
    rows = [("metric", "what it says", *subjects), ("---",) * (len(subjects) + 2), *metric_rows(report)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def to_markdown(report: EvalReport) -> str:
    compared = [
        ("metric", "difference", "value (95 % interval)", "verdict"),
        ("---",) * 4,
        *comparison_rows(report),
    ]
    parts = [
        f"# {title(report)}",
        "\n".join(f"- {line}" for line in facts(report)),
        "## Figures\n\nValues with 95 % intervals (Wilson for shares, bootstrap otherwise).",
        figures_table(report),
        "## Paired differences",
        "\n".join(f"| {' | '.join(row)} |" for row in compared),
        *_failures_markdown(report.measurements[-1]),
    ]
    return "\n\n".join(parts) + "\n"


def _failures_markdown(subject: Measurement) -> Iterable[str]:
    wrong = [outcome for outcome in subject.outcomes if outcome.scores.get("faultless") == 0.0]
    if not wrong:
        return ()
    lines = []
    for outcome in wrong[:SHOWN]:
        failed = ", ".join(
            name for name, value in outcome.scores.items() if value == 0.0 and name != "faultless"
        )
        said = outcome.reply or json.dumps(outcome.call, ensure_ascii=False)
        quoted = " ".join(said.split()).replace("`", "'")[:300]
        lines.append(f"- {outcome.source} ({outcome.intent}): {failed}: `{quoted}`")
    return (
        f"## What {subject.subject} got wrong ({len(wrong)} of {len(subject.outcomes)})",
        "\n".join(lines),
    )


def plot_svg(report: EvalReport) -> str:
    """A dot with its interval per subject and metric, as inline SVG; the loss has a panel of its own."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    shares = [
        name for name in MEANING if name != LOSS and any(name in m.metrics for m in report.measurements)
    ]
    panels = [
        names for names in ([LOSS], shares) if any(n in m.metrics for m in report.measurements for n in names)
    ]
    if not panels:
        return ""
    heights = [0.6 + 0.45 * len(names) for names in panels]
    with mpl.rc_context({"svg.hashsalt": "senmon", "font.size": 9}):
        sheet = Figure(figsize=(7.5, sum(heights) + 0.6), layout="constrained")
        FigureCanvasSVG(sheet)
        grid = sheet.subplots(len(panels), 1, squeeze=False, height_ratios=heights)
        for axes, names in zip(grid[:, 0], panels, strict=True):
            _plot(axes, report.measurements, names)
        sheet.legend(
            *grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False
        )
        stream = io.StringIO()
        sheet.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    drawing = stream.getvalue()
    return drawing[drawing.index("<svg") :].replace(
        "<svg ", '<svg role="img" aria-label="metrics per subject" ', 1
    )


def _plot(axes: Any, measurements: Iterable[Measurement], names: list[str]) -> None:
    subjects = tuple(measurements)
    for shift, one in enumerate(subjects):
        found = [(row, one.metrics[name]) for row, name in enumerate(names) if name in one.metrics]
        if not found:
            continue
        finite = [(row, metric) for row, metric in found if math.isfinite(metric.low)]
        colour = COLOURS.get(one.subject, "#444")
        axes.hlines(
            [row + 0.18 * shift for row, _ in finite],
            [metric.low for _, metric in finite],
            [metric.high for _, metric in finite],
            colors=colour,
        )
        values = [metric.value for _, metric in found]
        rows = [row + 0.18 * shift for row, _ in found]
        axes.plot(values, rows, "o", color=colour, label=one.subject)
    labels = [f"{name} (less is better)" if name in LOWER_IS_BETTER else name for name in names]
    axes.set_yticks([row + 0.09 * (len(subjects) - 1) for row in range(len(names))], labels)
    axes.set_ylim(len(names) - 0.35, -0.25)
    axes.grid(axis="x", alpha=0.3)


def to_html(report: EvalReport) -> str:
    """One file: no script, no address of anything else."""
    subjects = [one.subject for one in report.measurements]
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in facts(report))
    compared = "".join(
        f"<tr>{''.join(f'<td class=n>{html.escape(cell)}</td>' for cell in row[:-1])}"
        f'<td class="{row[-1]}">{row[-1]}</td></tr>'
        for row in comparison_rows(report)
    )
    failures = html.escape("\n\n".join(_failures_markdown(report.measurements[-1])))
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    name = html.escape(title(report))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width">'
        f"<title>{name}</title><style>{STYLE}</style></head><body>"
        f"<h1>{name}</h1><ul>{lines}</ul>{plot_svg(report)}<h2>Figures</h2>"
        f"<table>{_head(('metric', 'what it says', *subjects))}{_rows(metric_rows(report))}</table>"
        f"<h2>Paired differences</h2><table>{_head(('metric', 'difference', '95 % interval', 'verdict'))}"
        f"{compared}</table><pre>{failures}</pre></body></html>\n"
    )


def _head(cells: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<th scope=col>{html.escape(cell)}</th>' for cell in cells)}</tr>"


def _rows(rows: Iterable[tuple[str, ...]]) -> str:
    return "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)


def write_report(report: EvalReport, folder: Path) -> tuple[Path, ...]:
    """Writes `eval.json`, `eval.md` and `eval.html` into `folder`; returns their paths."""
    texts = {"eval.json": to_json(report), "eval.md": to_markdown(report), "eval.html": to_html(report)}
    for name, text in texts.items():
        write_text(folder / name, text)
    return tuple(folder / name for name in texts)
