"""The table and the plot of `senmon bench route`, and their section of a page of benchmarks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from senmon.bench.route import NAMES, Figure, Row

HEADS = {
    "intent": "intent",
    "domain": "domain",
    "auroc": "strangers, AUROC",
    "strangers_at_95": "strangers turned away at 95 % kept",
    "kept": "kept at the thresholds",
    "turned_away": "strangers turned away there",
}
START, END = "<!-- bench route: begin -->", "<!-- bench route: end -->"
PLOT = "bench-route.png"


def cells(row: Row) -> list[str]:
    """A row for people: figures with intervals, seconds of fitting, milliseconds a message."""
    figures = [_cell(name, row.figures.get(name)) for name in NAMES]
    speed = "" if row.p50 is None else f"{row.p50:.1f} / {row.p95:.1f}"
    return [f"{row.system}, {row.setting}, {row.split}", *figures, f"{row.seconds:.0f}", speed]


def heads() -> list[str]:
    return ["", *HEADS.values(), "fit, CPU s", "ms a message, p50 / p95"]


def _cell(name: str, one: Figure | None) -> str:
    if one is None:
        return "–"
    if name == "auroc":
        return f"{one.value:.4f} ({one.low:.4f}–{one.high:.4f})"
    return f"{one.value:.1%} ({one.low:.1%}–{one.high:.1%})"


def markdown(rows: Sequence[Row], notes: Sequence[str]) -> str:
    """The section, between its marks."""
    return "\n".join(_lines(rows, notes)) + "\n"


def _lines(rows: Sequence[Row], notes: Sequence[str]) -> Iterator[str]:
    yield START
    yield "## Router: CLINC150"
    yield ""
    yield "`senmon bench route --data FOLDER`. Ten domains as packs; no out-of-scope message of the data"
    yield "set in training; all choices made on the validation split. 95 % intervals: bootstrap over"
    yield "messages, for few examples Student's t over draws."
    yield ""
    yield "| " + " | ".join(heads()) + " |"
    yield "|" + "---|" * len(heads())
    for row in rows:
        yield "| " + " | ".join(cells(row)) + " |"
    yield ""
    yield f"![Strangers told apart and intents known]({PLOT})"
    yield ""
    yield from (f"- {note}" for note in notes)
    yield END


def write_section(page: Path, text: str, start: str = START, end: str = END) -> None:
    """Put the section into `page`, in place of the one between the same marks, atomically."""
    known = page.read_text(encoding="utf-8") if page.is_file() else "# Benchmarks\n\n"
    if start in known and end in known:
        before, after = known.split(start, 1)[0], known.split(end, 1)[1].lstrip("\n")
        known = before + text + ("\n" + after if after else "")
    else:
        known = known.rstrip("\n") + "\n\n" + text
    page.parent.mkdir(parents=True, exist_ok=True)
    draft = page.with_name(f".{page.name}")
    draft.write_text(known, encoding="utf-8")
    draft.replace(page)


def write_plot(rows: Sequence[Row], path: Path) -> None:
    """Intent accuracy and AUROC of every row, with intervals, as a PNG."""
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(9, 1.6 + 0.45 * len(rows)), dpi=120, layout="constrained")
    left, right = canvas.subplots(1, 2, sharey=True)
    names = [f"{row.system}\n{row.setting}, {row.split}" for row in rows]
    places = range(len(rows))[::-1]
    for axes, name, title in ((left, "intent", "intent accuracy"), (right, "auroc", "strangers, AUROC")):
        for place, row in zip(places, rows, strict=True):
            one = row.figures[name]
            colour = "#1f6feb" if row.system == "senmon" else "#8b949e"
            spread = [[one.value - one.low], [one.high - one.value]]
            axes.errorbar(one.value, place, xerr=spread, fmt="o", color=colour, capsize=3)
        axes.set_title(title, fontsize=10)
        axes.grid(axis="x", alpha=0.3)
    left.set_yticks(list(places), names, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}")
    canvas.savefig(draft, format="png")
    draft.replace(path)
