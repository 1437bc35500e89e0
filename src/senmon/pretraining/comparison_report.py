"""Bases side by side as a Markdown section with a picture, for documents."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from senmon.adapters import durable
from senmon.pretraining.comparison import BaseReport
from senmon.pretraining.curve import COLOURS, GRID, INK
from senmon.pretraining.tables import markdown_table

Rows = list[tuple[str, ...]]


def bits_rows(reports: Sequence[BaseReport]) -> Rows:
    """A row per group: its name, documents, and for each base the value with its interval."""
    groups = list(dict.fromkeys(group for report in reports for group in report.bits))
    return [
        (group, _count(reports, group), *(_bits(report, group) for report in reports)) for group in groups
    ]


def _count(reports: Sequence[BaseReport], group: str) -> str:
    return str(max(len(report.bits[group].bits) for report in reports if group in report.bits))


def _bits(report: BaseReport, group: str) -> str:
    return report.bits[group].text() if group in report.bits else "–"


def probe_rows(reports: Sequence[BaseReport]) -> Rows:
    """A row per probe: what it asks, cases, and for each base the share with its interval."""
    first = next((report.probes for report in reports if report.probes), ())
    return [
        (probe.title, str(probe.cases), *(_probe(report, probe.name) for report in reports))
        for probe in first
    ]


def _probe(report: BaseReport, name: str) -> str:
    found = next((one for one in report.probes if one.name == name), None)
    return "–" if found is None else f"{found.rate:.0%} ({found.low:.0%} to {found.high:.0%})"


def sample_rows(reports: Sequence[BaseReport]) -> Rows:
    """A row per prompt: the prompt, and each base's greedy reply."""
    prompts = list(dict.fromkeys(prompt for report in reports for prompt, _ in report.samples))
    return [(prompt, *(dict(report.samples).get(prompt, "–") for report in reports)) for prompt in prompts]


def titles(reports: Sequence[BaseReport]) -> list[str]:
    """A name each, told apart by digest where two bases are called alike."""
    names = [report.name for report in reports]
    return [
        f"{report.name} ({report.digest[:8]})" if names.count(report.name) > 1 else report.name
        for report in reports
    ]


def markdown(reports: Sequence[BaseReport], picture: str) -> str:
    """One section. `picture` is the image's path beside the page; empty: none."""
    names = titles(reports)
    facts = [
        (name, f"{report.parameters / 1e6:.1f} M", f"`{report.digest[:12]}`", f"{report.seconds:.0f} s")
        for name, report in zip(names, reports, strict=True)
    ]
    parts = ["## Bases side by side", markdown_table(("base", "parameters", "digest", "measured in"), facts)]
    if picture:
        parts.append(f"![Bits per byte and probes of {', '.join(names)}]({picture})")
    if bits := bits_rows(reports):
        parts += [
            "### Held-out bits per byte",
            markdown_table(("group", "documents", *names), bits),
            "Lower is better; 95 % bootstrap intervals over documents. Every base reads the same text with "
            "its own tokenizer and template; the markers around turns do not count.",
        ]
    if probes := probe_rows(reports):
        parts += [
            "### Probes",
            markdown_table(("probe", "cases", *names), probes),
            "Share of right answers, greedy decoding, 95 % Wilson intervals. Higher is better. The bases are "
            "untuned: a pack's adapter and the server's constraints come on top.",
            "### Greedy replies",
            markdown_table(("prompt", *names), sample_rows(reports)),
        ]
    return "\n\n".join(parts) + "\n"


def write_report(page: Path, reports: Sequence[BaseReport]) -> Path:
    """The section in `page` and its picture beside it (`NAME.png`); returns the picture's path."""
    picture = page.with_suffix(".png")
    page.parent.mkdir(parents=True, exist_ok=True)
    _plot(picture, reports)
    durable.write_text(page, markdown(reports, picture.name))
    return picture


def _plot(path: Path, reports: Sequence[BaseReport]) -> None:
    # Not pyplot: it keeps global state and is not made for threads.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    wanted = [kind for kind in ("bits", "probes") if any(getattr(report, kind) for report in reports)]
    figure = Figure(figsize=(5.6 * len(wanted), 4.6), dpi=130, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    for axes, kind in zip(figure.subplots(1, len(wanted), squeeze=False)[0], wanted, strict=True):
        (_bits_bars if kind == "bits" else _probe_bars)(axes, reports)
        axes.grid(color=GRID, axis="x")
        axes.set_axisbelow(True)
        axes.invert_yaxis()
        axes.tick_params(colors=INK)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(reports), frameon=False)
    draft = path.with_name(f".tmp-{path.name}")
    try:
        canvas.print_png(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


Bar = tuple[float, float, float]


def _bits_bars(axes, reports: Sequence[BaseReport]) -> None:  # type: ignore[no-untyped-def]  # matplotlib's
    groups = list(dict.fromkeys(group for report in reports for group in report.bits))
    bars = [
        [(m.value, *m.interval()) if (m := report.bits.get(group)) else None for group in groups]
        for report in reports
    ]
    _bars(axes, groups, titles(reports), bars)
    axes.set_title("Held-out bits per byte (lower is better)", loc="left", color=INK, fontsize=10)


def _probe_bars(axes, reports: Sequence[BaseReport]) -> None:  # type: ignore[no-untyped-def]  # matplotlib's
    first = next(report.probes for report in reports if report.probes)
    names = [probe.name for probe in first]
    bars = []
    for report in reports:
        known = {one.name: (100 * one.rate, 100 * one.low, 100 * one.high) for one in report.probes}
        bars.append([known.get(name) for name in names])
    _bars(axes, [name.replace("_", " ") for name in names], titles(reports), bars)
    axes.set_xlim(0, 100)
    axes.set_title("Probes, % right (higher is better)", loc="left", color=INK, fontsize=10)


def _bars(  # type: ignore[no-untyped-def]  # matplotlib's
    axes, names: Sequence[str], titles: Sequence[str], bars: Sequence[Sequence[Bar | None]]
) -> None:
    height = 0.8 / len(titles)
    for index, (title, row) in enumerate(zip(titles, bars, strict=True)):
        places = [at + (index - (len(titles) - 1) / 2) * height for at in range(len(names))]
        known = [(place, bar) for place, bar in zip(places, row, strict=True) if bar]
        spread = [
            [max(0.0, bar[0] - bar[1]) for _, bar in known],
            [max(0.0, bar[2] - bar[0]) for _, bar in known],
        ]
        axes.barh(
            [place for place, _ in known],
            [bar[0] for _, bar in known],
            height,
            xerr=spread,
            label=title,
            color=COLOURS[index % len(COLOURS)],
            error_kw={"ecolor": INK, "elinewidth": 0.8, "capsize": 2},
        )
    axes.set_yticks(range(len(names)), names)
