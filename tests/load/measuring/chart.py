"""Charts of the measurements."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no screen is needed

from matplotlib import pyplot

SALLYPORT_COLOUR, OTHER_COLOUR = "#c2410c", "#94a3b8"
COLUMNS = 3


def draw_bars(tables: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """Draw requests per second: a chart for each table, with a bar for each server. Sallyport has its own colour."""
    rows = -(-len(tables) // COLUMNS)
    figure, charts = pyplot.subplots(rows, COLUMNS, figsize=(6 * COLUMNS, 3.2 * rows), squeeze=False)
    for chart in charts.flat:
        chart.set_axis_off()
    for chart, (title, values) in zip(charts.flat, tables.items(), strict=False):
        chart.set_axis_on()
        chart.set_title(title, fontsize=10)
        names = list(values)[::-1]
        colours = [SALLYPORT_COLOUR if name.startswith("Sallyport") else OTHER_COLOUR for name in names]
        bars = chart.barh(names, [values[name] for name in names], color=colours)
        chart.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=8)
        chart.margins(x=0.18)
        chart.tick_params(labelsize=8)
        chart.spines[["top", "right"]].set_visible(False)
        chart.set_xlabel("requests/s", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def draw_line(title: str, axis: str, points: Sequence[tuple[float, float, float]], path: Path) -> None:
    """Draw CPU per request and memory against a growing size: points of (size, microseconds, bytes)."""
    sizes = [size for size, _, _ in points]
    figure, chart = pyplot.subplots(figsize=(6, 3.6))
    chart.plot(sizes, [cpu for _, cpu, _ in points], "o-", color=SALLYPORT_COLOUR)
    chart.set_xscale("symlog" if min(sizes) == 0 else "log")
    chart.set_ylim(bottom=0)
    chart.set_title(title, fontsize=10)
    chart.set_xlabel(axis, fontsize=9)
    chart.set_ylabel("CPU us a request", fontsize=9, color=SALLYPORT_COLOUR)
    memory_chart = chart.twinx()
    memory_chart.plot(sizes, [memory / 1024**2 for _, _, memory in points], "s--", color=OTHER_COLOUR)
    memory_chart.set_ylim(bottom=0)
    memory_chart.set_ylabel("memory, MiB", fontsize=9, color=OTHER_COLOUR)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
