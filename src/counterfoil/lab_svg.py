"""A timeline as SVG: one lane a task, bars for what it did, lost updates in red. It loads nothing and runs nothing.

A picture carries its own colours, for light and dark, so that it can stand in a page or alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from math import ceil

from .lab_trace import KINDS, Lane, Picture

WIDTH = 960
_LEFT, _RIGHT, _TOP = 104, 28, 30
_SHARED_HEIGHT = 16.0
_GROUP_GAP = 10.0
_MOST_TICKS = 10
_NAMESPACE = ' xmlns="http://www.w3.org/2000/svg"'  # a page in HTML needs none

# Told apart by lightness too, so that they can be by those who don't see the colours.
STYLE = """
:root{--paper:#ffffff;--ink:#1b2430;--faint:#5c6878;--rule:#d5dbe3;--call:#b9c4d3;--wait:#eadfbd;--read:#2b7de0;--parse:#8a56c9;
--write:#0b7d6b;--refused:#f09000;--stuck:#d3260f;--lost:#d3260f}
@media (prefers-color-scheme:dark){:root{--paper:#11151b;--ink:#e8ecf2;--faint:#a3aebd;--rule:#323b48;--call:#4d5b6e;
--wait:#6b5a30;--read:#6fb3ff;--parse:#bd93f5;--write:#45d0b4;--refused:#ffb245;--stuck:#ff6a58;--lost:#ff6a58}}
svg.lab text{font:12px system-ui,"Segoe UI","DejaVu Sans",Helvetica,Arial,sans-serif;fill:var(--faint)}
svg.lab path{fill:none}
svg.lab .rule{stroke:var(--rule);stroke-width:1}
""" + "".join(f"svg.lab .{kind}{{stroke:var(--{kind})}}" for kind in (*KINDS, "lost"))  # fmt: skip


def standalone(picture: Picture) -> str:
    """An SVG file."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{svg(picture, alone=True)}\n'


def svg(picture: Picture, *, alone: bool = False) -> str:
    """An `svg` element; `alone`: with a title, a legend and the style in it."""
    top = _TOP + (48 if alone else 0)
    tall = _lane_height(picture.lanes)
    body, bottom = _lanes(picture, top, tall)
    parts = [
        f'<svg class="lab"{_NAMESPACE if alone else ""} viewBox="0 0 {WIDTH} {bottom + 12:.0f}" role="img" '
        f'aria-label="{escape(picture.title)}">',
        f"<style>{STYLE}</style>" if alone else "",
        f'<rect width="{WIDTH}" height="{bottom + 12:.0f}" fill="var(--paper)"/>' if alone else "",
        _heading(picture) if alone else "",
        _axis(picture, top, bottom),
        *body,
        "</svg>",
    ]
    return "".join(parts)


def kinds_in(picture: Picture) -> list[str]:
    """The kinds of bar that the picture has, in the order of the legend, `lost` last."""
    found = {bar.kind for lane in picture.lanes for bar in lane.bars}
    return [kind for kind in KINDS if kind in found] + (["lost"] if any(lane.lost for lane in picture.lanes) else [])


def kind_name(kind: str) -> str:
    return "update lost" if kind == "lost" else KINDS[kind]


def _lane_height(lanes: Sequence[Lane]) -> float:
    """Pixels of a lane: the picture stays about as tall as a screen, whatever the number of tasks."""
    return min(16.0, max(1.5, 420 / max(1, len(lanes))))


def _heading(picture: Picture) -> str:
    x, legend = float(_LEFT), ""
    for kind in kinds_in(picture):
        legend += f'<path class="{kind}" stroke-width="10" d="M{x:.0f} 38h16"/><text x="{x + 22:.0f}" y="42">'
        legend += f"{kind_name(kind)}</text>"
        x += 40 + 7 * len(kind_name(kind))
    title = f"{escape(picture.title)}: {picture.seconds:.1f} s"
    return f'<text x="{_LEFT}" y="22" style="font-size:16px;fill:var(--ink)">{title}</text>{legend}'


def _axis(picture: Picture, top: float, bottom: float) -> str:
    step = _step(picture.seconds - picture.opens)
    marks: list[str] = []
    for number in range(ceil(picture.opens / step - 1e-6), int(picture.seconds / step) + 1):
        x = _x(picture, number * step)
        marks.append(f'<path class="rule" d="M{x:.1f} {top - 6:.0f}V{bottom:.0f}"/>')
        marks.append(f'<text x="{x:.1f}" y="{top - 11:.0f}" text-anchor="middle">{number * step:g} s</text>')
    return "".join(marks)


def _step(seconds: float) -> float:
    """Of 1, 2 and 5 times a power of ten, the least that gives no more than ten marks."""
    power = 1e-3
    while True:
        for factor in (1, 2, 5):
            if seconds / (factor * power) <= _MOST_TICKS:
                return round(factor * power, 6)
        power *= 10


def _x(picture: Picture, second: float) -> float:
    """Where a moment, in seconds since the beginning, is drawn."""
    shown = picture.seconds - picture.opens
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * max(0.0, second - picture.opens) / shown


def _lanes(picture: Picture, top: float, tall: float) -> tuple[list[str], float]:
    """Every lane, and the names of the groups; and where the last one ends."""
    parts: list[str] = []
    y, group = top, ""
    for lane in picture.lanes:
        height = max(tall, _SHARED_HEIGHT) if lane.shared else tall
        label = _label(lane, group)
        if label:
            y += _GROUP_GAP if group else 0
            parts.append(f'<text x="6" y="{y + max(height, 12) / 2 + 4:.1f}">{escape(label)}</text>')
        group = lane.group
        parts.append(_lane(lane, picture, y + height / 2, height))
        y += height
    return parts, y


def _label(lane: Lane, group: str) -> str:
    if lane.shared:
        return "the writer" if "writer" in lane.name else lane.name
    return lane.group if lane.group != group else ""


def _lane(lane: Lane, picture: Picture, y: float, height: float) -> str:
    kind = "lane shared" if lane.shared else "lane"
    paths = "".join(_paths(lane, picture, y, height * 0.8 if height > 3 else height))
    return f'<g class="{kind}"><title>{escape(_facts(lane, picture))}</title>{paths}</g>'


def _paths(lane: Lane, picture: Picture, y: float, height: float) -> Iterator[str]:
    """One path for all bars of a kind; the write of a lost update is red, and so is a mark beside the picture."""
    for kind in KINDS:
        bars = [
            (_x(picture, b.start - picture.began), _x(picture, b.end - picture.began))
            for b in lane.bars
            if b.kind == kind
        ]
        if bars:
            name = "lost" if lane.lost and kind == "write" else kind
            moves = "".join(f"M{x0:.1f} {y:.1f}h{max(0.6, x1 - x0):.1f}" for x0, x1 in bars)
            yield f'<path class="{name}" stroke-width="{height:.1f}" d="{moves}"/>'
    if lane.lost:
        yield f'<path class="lost" stroke-width="{height:.1f}" d="M{WIDTH - _RIGHT + 8} {y:.1f}h14"/>'


def _facts(lane: Lane, picture: Picture) -> str:
    """What a pointer over the lane shows."""
    counts = {kind: sum(bar.kind == kind for bar in lane.bars) for kind in KINDS}
    facts = [
        f"{KINDS[kind]} {lane.spent(kind):.3f} s ({n})" if n > 1 else f"{KINDS[kind]} {lane.spent(kind):.3f} s"
        for kind, n in counts.items()
        if n
    ]
    end = f"ends at {lane.end - picture.began:.3f} s"
    return f"{lane.name}: {', '.join([*facts, end])}{'; ITS UPDATE IS LOST' if lane.lost else ''}"
