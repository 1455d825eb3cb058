"""Small charts as SVG: bars over time and the bar of statuses. Pure text from numbers: no style, no script, no name
that comes from a document, so a strict policy of the browser lets them be shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from markupsafe import Markup

WIDTH, HEIGHT = 560, 132
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 6, 8, 20
_MOST = 70
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_DAY = 86400


@dataclass(frozen=True, slots=True)
class Series:
    """Values of equal spans of time: the first begins at `start` (seconds since the epoch), each lasts `step`."""

    start: int
    step: int
    values: Sequence[float]


def spread(
    by_second: Mapping[int, int] | Mapping[int, Decimal], first: int, last: int, *, running: bool = False
) -> Series:
    """What happened from `first` to `last`, in as many spans as a chart can show; `running`: summed up."""
    step = next((s for s in _STEPS if (last - first) // s < _MOST), -(-(last - first + 1) // _MOST // _DAY) * _DAY)
    step = max(step, 1)
    start = first - first % step
    values = [0.0] * ((last - start) // step + 1)
    for second, number in by_second.items():
        if start <= second <= last:
            values[(second - start) // step] += float(number)
    if running:
        for index in range(1, len(values)):
            values[index] += values[index - 1]
    return Series(start, step, values)


def bars(series: Series, label: str, *, unit: str = "") -> Markup:
    """Bars from the left to the right; `label` says to those who can't see it what it shows."""
    top, ticks = _scale(max(series.values, default=0.0))
    width = (WIDTH - _LEFT - _RIGHT) / max(len(series.values), 1)
    gap = min(1.0, width * 0.2)
    shapes = [
        f'<rect class="bar" x="{_LEFT + i * width:.1f}" y="{_y(value, top):.1f}" width="{width - gap:.1f}" '
        f'height="{max(HEIGHT - _BOTTOM - _y(value, top), 0):.1f}"/>'
        for i, value in enumerate(series.values)
        if value
    ]
    return _chart(series, label, top, ticks, shapes, unit)


def area(series: Series, label: str, *, unit: str = "") -> Markup:
    """A line with what is below it filled: for what only grows."""
    top, ticks = _scale(max(series.values, default=0.0))
    floor = HEIGHT - _BOTTOM
    width = (WIDTH - _LEFT - _RIGHT) / max(len(series.values), 1)
    points = [(float(_LEFT), float(floor))]
    points += [(_LEFT + (i + 1) * width, _y(value, top)) for i, value in enumerate(series.values)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    shapes = [
        f'<polygon class="area" points="{line} {WIDTH - _RIGHT},{floor}"/>',
        f'<polyline class="line" points="{line}"/>',
    ]
    return _chart(series, label, top, ticks, shapes, unit)


def _y(value: float, top: float) -> float:
    room = HEIGHT - _TOP - _BOTTOM
    return HEIGHT - _BOTTOM - room * value / top


def _scale(highest: float) -> tuple[float, list[float]]:
    """A round top that is not below the highest value, and what to write at the side."""
    if highest <= 0:
        return 1.0, [0.0]
    unit = 10.0 ** (len(str(int(highest))) - 1) if highest >= 1 else 1.0
    while unit > highest:
        unit /= 10
    top = next(unit * m for m in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if unit * m >= highest)
    return top, [0.0, top / 2, top]


def _chart(series: Series, label: str, top: float, ticks: Sequence[float], shapes: list[str], unit: str) -> Markup:
    lines = [
        f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{_y(tick, top):.1f}" y2="{_y(tick, top):.1f}"/>'
        f'<text x="{_LEFT - 6}" y="{_y(tick, top) + 3.5:.1f}" text-anchor="end">{unit}{tick:,.4g}</text>'
        for tick in ticks
    ]
    end = series.start + series.step * len(series.values)
    far = end - series.start > _DAY
    times = [
        f'<text x="{_LEFT}" y="{HEIGHT - 5}">{_time(series.start, far)}</text>',
        f'<text x="{WIDTH - _RIGHT}" y="{HEIGHT - 5}" text-anchor="end">{_time(end, far)}</text>',
    ]
    body = "".join(lines + shapes + times)
    return Markup(
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
        f"<title>{Markup.escape(label)}</title>{body}</svg>"
    )


def _time(second: int, far: bool) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%m-%d %H:%M" if far else "%H:%M:%S")


def shares(parts: Sequence[tuple[str, int]], label: str) -> Markup:
    """One bar, each part as long as its share; what there is at all is at least a sliver that can be seen."""
    total = sum(number for _, number in parts)
    seen = [(name, max(1000 * number / total, 4.0)) for name, number in parts if number]
    scale = 1000 / sum((width for _, width in seen), start=0.0) if seen else 1.0
    rects, x = list[str](), 0.0
    for name, width in seen:
        rects.append(f'<rect class="s-{name}" x="{x:.1f}" y="0" width="{width * scale:.1f}" height="10"/>')
        x += width * scale
    return Markup(
        '<svg class="shares" viewBox="0 0 1000 10" preserveAspectRatio="none" role="img">'
        f"<title>{Markup.escape(label)}</title>{''.join(rects)}</svg>"
    )
