"""A schedule as a chart in the terminal: one row for each machine, time to the right."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style
from rich.text import Text

from caxton_server.jobshop import Placement

_COLOURS = (
    *("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#edc948", "#b07aa1", "#ff9da7"),
    *("#9c755f", "#bab0ac", "#2f6690", "#81a94b"),
)
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_IDLE = "·"


def draw_gantt(placements: Sequence[Placement], *, width: int) -> Text:
    """Draw a schedule; a cell shows the job that its machine does for most of that span.

    Jobs beyond the 62nd share their signs with earlier ones.
    """
    makespan = max((p.end for p in placements), default=0)
    machines = sorted({p.machine for p in placements})
    label = len(f"machine {max(machines, default=0)} ")
    cells = _cells(max(makespan, 1), max(10, width - label - 1))
    scale = max(makespan, 1) / cells
    chart = Text()
    for machine in machines:
        mine = sorted((p for p in placements if p.machine == machine), key=lambda p: p.start)
        chart.append(f"machine {machine} ".rjust(label))
        for cell in range(cells):
            _append_cell(chart, _busiest(mine, cell * scale, (cell + 1) * scale))
        chart.append("\n")
    chart.append(" " * label + _ruler(cells, scale), Style(dim=True))
    return chart


def _cells(makespan: int, room: int) -> int:
    """Choose a width: whole cells for each unit of time when there is room, else all the room."""
    return makespan * min(4, room // makespan) if makespan <= room else room


def _busiest(placements: Sequence[Placement], begin: float, end: float) -> int | None:
    """Find the job that fills most of a span, None when that is idleness."""
    best, most = None, (end - begin) / 2
    for p in placements:
        if p.start >= end:
            break
        share = min(p.end, end) - max(p.start, begin)
        if share > most or (share > 0 and share == most):
            best, most = p.job, share
    return best


def _append_cell(chart: Text, job: int | None) -> None:
    if job is None:
        chart.append(_IDLE, Style(dim=True))
    else:
        colour = _COLOURS[job % len(_COLOURS)]
        chart.append(_DIGITS[job % len(_DIGITS)], Style(color="black", bgcolor=colour))


def _ruler(cells: int, scale: float) -> str:
    """Write times under the chart, each beginning at its own column."""
    marks, step = "", max(round(1 / scale), cells // 6)
    for column in range(0, cells, step):
        mark = str(round(column * scale))
        if column >= len(marks) and column + len(mark) <= cells:
            marks = marks.ljust(column) + mark
    return marks
