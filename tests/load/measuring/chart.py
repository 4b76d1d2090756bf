"""Charts of the measurements."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no screen is needed

from matplotlib import pyplot

OURS, OTHERS = "#c2410c", "#94a3b8"
COLUMNS = 3


def draw_bars(tables: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """Draw requests per second: a field for each table, a bar for each server, Sallyport's in its own colour."""
    rows = -(-len(tables) // COLUMNS)
    figure, fields = pyplot.subplots(rows, COLUMNS, figsize=(6 * COLUMNS, 3.2 * rows), squeeze=False)
    for field in fields.flat:
        field.set_axis_off()
    for field, (title, values) in zip(fields.flat, tables.items(), strict=False):
        field.set_axis_on()
        field.set_title(title, fontsize=10)
        names = list(values)[::-1]
        colours = [OURS if name.startswith("Sallyport") else OTHERS for name in names]
        bars = field.barh(names, [values[name] for name in names], color=colours)
        field.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=8)
        field.margins(x=0.18)
        field.tick_params(labelsize=8)
        field.spines[["top", "right"]].set_visible(False)
        field.set_xlabel("requests/s", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def draw_line(title: str, axis: str, points: Sequence[tuple[float, float, float]], path: Path) -> None:
    """Draw CPU per request and memory against a growing size: points of (size, microseconds, bytes)."""
    sizes = [size for size, _, _ in points]
    figure, field = pyplot.subplots(figsize=(6, 3.6))
    field.plot(sizes, [cpu for _, cpu, _ in points], "o-", color=OURS)
    field.set_xscale("symlog" if min(sizes) == 0 else "log")
    field.set_ylim(bottom=0)
    field.set_title(title, fontsize=10)
    field.set_xlabel(axis, fontsize=9)
    field.set_ylabel("CPU us a request", fontsize=9, color=OURS)
    memory_field = field.twinx()
    memory_field.plot(sizes, [memory / 1024**2 for _, _, memory in points], "s--", color=OTHERS)
    memory_field.set_ylim(bottom=0)
    memory_field.set_ylabel("memory, MiB", fontsize=9, color=OTHERS)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
