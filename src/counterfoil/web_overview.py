"""The overview: what an OUT is at, made from the sums of the index, and live for all who watch from one rendering."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from .display import counted, duration
from .web_charts import area, bars, spread
from .web_page import page
from .web_progress import progress
from .web_query import Query
from .web_rows import Sums
from .web_site import Site, site_of

_PACE_OVER = 300
"""Seconds over which the pace of now is taken, as `counterfoil status` does."""
_GROUPS = 7
_SILENCE = 15.0
"""Seconds after which a stream says that it is still there: a proxy would close it, and a browser should know."""


@dataclass(frozen=True, slots=True)
class Group:
    """A reason or a finding with how many documents have it, and where they are listed."""

    name: str
    number: int
    address: str


def figures(site: Site, now: datetime) -> dict[str, Any]:
    """Everything that the overview says."""
    total, workers = site.watch.index.total, site.watch.workers.alive()
    come = progress(site)
    left, finished = come["left"], come["finished"]
    pace = _pace(total, now) if workers else 0.0
    return {
        "index": site.watch.index,
        "trouble": site.watch.trouble,
        "now": come,
        "workers": workers,
        "hosts": sorted({str(worker.get("host", "")) for worker in workers}),
        "pace": pace or _average(total),
        "pace_of": "over the last five minutes" if workers else "on average",
        "throttling": str(site.watch.workers.pace()),
        "in_flight": site.watch.workers.pace().in_flight,
        "outlook": _outlook(left, len(workers), pace),
        **_money(total, left, finished),
        "reasons": _groups(total.reasons.most_common(_GROUPS), "reason"),
        "findings": _groups(total.findings.most_common(_GROUPS), "finding"),
        "more_reasons": max(0, len(total.reasons) - _GROUPS),
        "more_findings": max(0, len(total.findings) - _GROUPS),
        **_charts(total, now, live=bool(workers and left)),
    }


def _pace(total: Sums, now: datetime) -> float:
    """Documents a second over the last minutes."""
    since = int(now.timestamp()) - _PACE_OVER
    recent = [(second, number) for second, number in total.ends.items() if second > since]
    if not recent:
        return 0.0
    span = now.timestamp() - min(second for second, _ in recent)
    return sum(number for _, number in recent) / max(span, 1.0)


def _average(total: Sums) -> float:
    """Documents a second from the first to the last that was finished."""
    return sum(total.ends.values()) / (max(total.ends) - min(total.ends) + 1) if total.ends else 0.0


def _outlook(left: int, workers: int, pace: float) -> str:
    if not left:
        return "nothing left to do"
    if not workers:
        return "no worker is alive: run it again to go on"
    return f"about {duration(left / pace)} left" if pace else "time left not known yet"


def _money(total: Sums, left: int, finished: int) -> dict[str, Any]:
    """What was spent, and what all of it will have cost if the rest is like what is finished."""
    usage = total.usage
    cost = usage.cost_usd or Decimal(0)
    priced = usage.calls and not total.unpriced
    projected = cost * (finished + left) / finished if priced and left and finished else None
    return {"usage": usage, "cost": cost, "unpriced": total.unpriced, "projected": projected, "total": total}


def _groups(counted_names: Sequence[tuple[str, int]], field: str) -> list[Group]:
    addresses = (Query(finding=n) if field == "finding" else Query(reason=n) for n, _ in counted_names)
    return [
        Group(name, number, "/documents?" + query.address())
        for (name, number), query in zip(counted_names, addresses, strict=True)
    ]


def _charts(total: Sums, now: datetime, *, live: bool) -> dict[str, Any]:
    """Pace and cost over time: to now while a run goes on, else to its last document."""
    if not total.ends and not total.costs:
        return {"pace_chart": None, "cost_chart": None}
    first = min(min(times) for times in (total.ends, total.costs) if times)
    last = int(now.timestamp()) if live else max(max(times) for times in (total.ends, total.costs) if times)
    pace = spread(total.ends, first, last)
    per_second = type(pace)(pace.start, pace.step, [value / pace.step for value in pace.values])
    label = f"Documents a second over {duration(last - first + 1)}, {counted(sum(total.ends.values()), 'document')}"
    spent = spread(total.costs, first, last, running=True) if total.costs else None
    return {
        "pace_chart": bars(per_second, label),
        "cost_chart": area(spent, f"Cost in US dollars over time, {total.usage.cost_usd:.4f} in all", unit="$")
        if spent
        else None,
    }


def live(site: Site, view: str) -> dict[str, str]:
    """What changes on a page while it is looked at: HTML by the id of the element that it fills."""
    parts = {"live-strip": site.fragment("_strip.html", now=progress(site))}
    if view == "overview":
        parts["live-overview"] = site.fragment("_overview.html", **figures(site, site.watch.clock.utc()))
    return parts


async def overview_page(request: Request) -> Response:
    """GET /"""
    site = site_of(request)
    await site.watch.fresh()
    values = figures(site, site.watch.clock.utc())
    return page(request, "overview.html", view="overview", **values)


class Live:
    """The parts of each view as of the last look, made once for all who watch."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._made: dict[str, tuple[int, bytes]] = {}

    def message(self, view: str) -> bytes:
        """One message of the stream."""
        looks, message = self._made.get(view, (-1, b""))
        if looks != self._site.watch.looks:
            looks = self._site.watch.looks
            parts = {"version": self._site.watch.index.version, "parts": live(self._site, view)}
            message = b"data: " + orjson.dumps(parts) + b"\n\n"
            self._made[view] = (looks, message)
        return message


async def events(request: Request) -> Response:
    """GET /events: server-sent events, one whenever what is shown has become another."""
    watch, maker = site_of(request).watch, request.app.state.live
    view = "overview" if request.query_params.get("view") == "overview" else "other"

    async def stream() -> AsyncGenerator[bytes]:
        yield b"retry: 1000\n\n"
        last, looks = b"", -1
        async with watch.watching():
            while not watch.closing:
                try:
                    async with asyncio.timeout(_SILENCE):
                        looks = await watch.next(looks)
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                message = maker.message(view)
                if message != last:
                    yield message
                    last = message

    return StreamingResponse(stream(), media_type="text/event-stream", headers={"x-accel-buffering": "no"})
