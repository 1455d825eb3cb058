"""Two tables: what an undisturbed run takes, and what a kill at half costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .measure import Resumed, Whole

_WHOLE = ("", "wall s", "/ floor", "recorded", "calls", "refused", "CPU s", "peak MB", "servers' CPU s")
_RESUMED = ("", "answered + in flight at the kill", "calls made", "repeated", "reported", "finished", "2nd run s")


def whole_table(runs: Mapping[str, Whole], floor: str) -> str:
    base = runs[floor].ran.wall_s if floor in runs else None
    return _table(_WHOLE, [_whole_row(name, run, base) for name, run in runs.items()])


def _whole_row(name: str, run: Whole, base: float | None) -> Sequence[str]:
    return (
        name,
        f"{run.ran.wall_s:.2f}",
        f"{run.ran.wall_s / base:.2f}" if base else "-",
        str(run.recorded),
        f"{run.calls.made}" + (f" + {run.calls.other} of no document" if run.calls.other else ""),
        str(run.calls.refused),
        f"{run.ran.cpu_s:.1f}",
        f"{run.ran.peak / 1e6:.0f}",
        f"{run.servers_cpu_s:.2f}",
    )


def resumed_table(runs: Mapping[str, Resumed], undisturbed: Mapping[str, Whole]) -> str:
    return _table(_RESUMED, [_resumed_row(name, run, undisturbed[name]) for name, run in runs.items()])


def _resumed_row(name: str, run: Resumed, undisturbed: Whole) -> Sequence[str]:
    return (
        name,
        f"{run.answered} + {run.flying}",
        str(run.calls.made),
        str(run.calls.repeated),
        _told(reported_calls(run.spend, undisturbed), run, undisturbed.unit),
        str(run.recorded),
        f"{run.wall_s:.2f}",
    )


def reported_calls(spend: float | None, undisturbed: Whole) -> float | None:
    """What a tool says was spent, in calls: dollars and tokens by what it said of its own undisturbed run."""
    if spend is None or undisturbed.unit == "calls" or not undisturbed.spend:
        return spend if undisturbed.unit == "calls" else None
    return spend * undisturbed.calls.made / undisturbed.spend


def _told(reported: float | None, run: Resumed, unit: str) -> str:
    if reported is None:
        return "nothing"
    source = f", from {unit}" if unit != "calls" else ""
    unknown = f", {run.unknown} named as unknown" if run.unknown else ""
    return f"{reported:.0f} ({reported / run.calls.made:.0%}){source}{unknown}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in [head, ["-" * width for width in widths], *rows]
    )
