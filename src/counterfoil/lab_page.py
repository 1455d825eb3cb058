"""The page of a lab: its figures and its timelines in one HTML file that loads nothing, and needs no script."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from .lab_svg import STYLE, kind_name, kinds_in, svg
from .lab_trace import Measured, Picture

_STYLE = (
    STYLE
    + """
body{background:var(--paper);color:var(--ink);max-width:960px;margin:2rem auto;padding:0 1rem;
font:16px/1.5 system-ui,"Segoe UI","DejaVu Sans",Helvetica,Arial,sans-serif}
h1{font-size:1.7rem;margin:0 0 .5rem}h2{font-size:1.15rem;margin:2.5rem 0 .3rem}p{margin:.3rem 0 .8rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.88rem}
th,td{padding:.35rem .45rem;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap;
font-variant-numeric:tabular-nums}
th{color:var(--faint);font-weight:600}th:first-child,td:first-child{text-align:left;white-space:normal;padding-left:0}
td.bad{color:var(--lost);font-weight:700}
.legend{color:var(--faint);font-size:.85rem}.legend span{margin-right:1.1rem;white-space:nowrap}
.legend i{display:inline-block;width:1.1rem;height:.65rem;margin-right:.35rem}
svg.lab{width:100%;height:auto;display:block}footer{color:var(--faint);font-size:.85rem;margin:3rem 0}
"""
)


def page(measured: Measured) -> str:
    """A whole HTML file."""
    figures = "".join(_figure(picture) for picture in measured.pictures)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width,initial-scale=1"/>'
        '<meta name="color-scheme" content="light dark"/>'
        f"<title>counterfoil lab {measured.name}</title><style>{_STYLE}</style></head><body>\n"
        f"<h1>{escape(measured.title)}</h1><p>{escape(measured.conditions)}</p>\n{_table(measured)}\n{figures}"
        f"<footer>Measured by <code>counterfoil lab {measured.name}</code>. Rest the pointer on a lane for its times. "
        "Each picture has a scale of its own, and may leave out how the calls begin.</footer>\n</body></html>\n"
    )


def _table(measured: Measured) -> str:
    head = "".join(f"<th>{escape(column.heading)}</th>" for column in measured.columns)
    rows = "\n".join(
        "<tr>" + "".join(_cell(column.key, column.text(row), row) for column in measured.columns) + "</tr>"
        for row in measured.rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{rows}</tbody></table></div>'


def _cell(key: str, text: str, row: Mapping[str, Any]) -> str:
    bad = ' class="bad"' if key == "lost" and row[key] else ""
    return f"<td{bad}>{escape(text)}</td>"


def _figure(picture: Picture) -> str:
    legend = "".join(
        f'<span><i style="background:var(--{kind})"></i>{kind_name(kind)}</span>' for kind in kinds_in(picture)
    )
    return (
        f'<h2 id="{picture.name}">{escape(picture.title)}</h2><p>{escape(picture.caption)}</p>'
        f'<div class="legend">{legend}</div>{svg(picture)}\n'
    )
