"""The main comparison as a picture."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from benchmarks.contestants import bare_start
from benchmarks.report import MS, ack_p50, ack_p99, over, rate, stored_p50, stored_p99
from benchmarks.rounds import FLOODED, QUARTER, QUIET, SINGLE, Round
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

# Paced runs have a fixed rate, so they show nothing about speed.
NO_SPEED = (QUARTER, QUIET, FLOODED, bare_start.NAME)
OURS_COLOUR, OTHERS_COLOUR, LIGHT = "#0b6e4f", "#8a8f98", "#7fc8a9"


def draw(folder: Path, rounds: Sequence[Round], command: str) -> None:
    """`bench.png` and `bench.svg`."""
    figure, (speed, wait) = plt.subplots(2, 1, figsize=(10, 8.5), height_ratios=(2, 1.2), layout="constrained")
    speeds(speed, rounds)
    waits(wait, rounds)
    figure.supxlabel(
        f"Bars: median of {len(rounds)} alternating rounds; lines: lowest to highest. Made by: {command}", fontsize=8
    )
    for kind in ("png", "svg"):
        figure.savefig(folder / f"bench.{kind}", dpi=150)
    plt.close(figure)


def speeds(axes: Axes, rounds: Sequence[Round]) -> None:
    found = {name: over(rounds, name, rate) for name in rounds[0] if name not in NO_SPEED}
    ordered = sorted(((name, value) for name, value in found.items() if value), key=lambda item: item[1].median)
    for position, (name, value) in enumerate(ordered):
        colour = OURS_COLOUR if name.startswith("ours") else OTHERS_COLOUR
        axes.barh(position, value.median, color=colour)
        axes.plot([value.low, value.high], [position, position], color="black", linewidth=1.5)
        axes.annotate(f"  {value.median:,.0f}", (max(value.high, value.median), position), va="center")
    axes.set_yticks(range(len(ordered)), [name for name, _ in ordered])
    axes.set_xscale("log")
    axes.margins(x=0.15)
    axes.set_title("Entries stored a second, end to end (logarithmic)", loc="left")


def waits(axes: Axes, rounds: Sequence[Round]) -> None:
    rows = [
        ("bare start of a workflow: answer", bare_start.NAME, ack_p50, ack_p99),
        ("ours at ¼ load: acknowledgement", QUARTER, ack_p50, ack_p99),
        ("ours at ¼ load: from there to stored", QUARTER, stored_p50, stored_p99),
        ("ours at full load: acknowledgement", SINGLE, ack_p50, ack_p99),
        ("ours at full load: from there to stored", SINGLE, stored_p50, stored_p99),
    ]
    for position, (_, name, middle, most) in enumerate(reversed(rows)):
        p50, p99 = over(rounds, name, middle), over(rounds, name, most)
        if p50 is None or p99 is None:
            continue
        axes.barh(position, p99.median * MS, color=LIGHT if name != bare_start.NAME else "#c9ccd1")
        axes.barh(position, p50.median * MS, color=OURS_COLOUR if name != bare_start.NAME else OTHERS_COLOUR)
        axes.plot([p99.low * MS, p99.high * MS], [position, position], color="black", linewidth=1.5)
        axes.annotate(f"  {p50.median * MS:,.0f} / {p99.median * MS:,.0f} ms", (p99.high * MS, position), va="center")
    axes.set_yticks(range(len(rows)), [row[0] for row in reversed(rows)])
    axes.margins(x=0.2)
    axes.set_title("Milliseconds: p50 (dark) and p99 (light), single-entry requests", loc="left")
