"""The file of a document beside its fields: pictures of its pages with the fields' boxes on them, its XML or text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from .errors import InputError
from .jsonfile import Json
from .viewing import OCR_HEIGHT
from .web_document import result_of
from .web_errors import sentence
from .web_originals import Originals
from .web_site import document_path, site_of


@dataclass(frozen=True, slots=True)
class Box:
    """Where a field stands on a page, in points."""

    place: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Sheet:
    """One page: its number, its size in points, the address of its picture, and the boxes on it."""

    number: int
    width: float
    height: float
    address: str
    boxes: tuple[Box, ...]


async def original_part(request: Request) -> Response:
    """GET /original/{document}: a part of the document's page."""
    site, document = site_of(request), request.path_params["document"]
    originals: Originals = request.app.state.originals
    record = await site.watch.manifest.get(document)
    if record is None:
        return sentence(404, "There is no such document here.")
    result = await result_of(site, record)
    values: dict[str, Any] = {"trouble": "", "view": None, "changed": False, "sheets": [], "places": {}}
    try:
        view, changed = await originals.view(document, record, result)
    except InputError as exc:
        values["trouble"] = str(exc)
    else:
        came: Mapping[str, Any] = (result or {}).get("provenance") or {}
        places = {entry["path"]: place for place, entry in came.items() if "path" in entry}
        sheets = list(_sheets(document, record, view.sizes, came))
        values |= {"view": view, "changed": changed, "sheets": sheets, "places": places}
    return HTMLResponse(site.fragment("_original.html", **values))


async def original_page(request: Request) -> Response:
    """GET /original-page/{number}/{document}: one page as a picture."""
    site, document, number = site_of(request), request.path_params["document"], request.path_params["number"]
    record = await site.watch.manifest.get(document)
    if record is None:
        return sentence(404, "There is no such document here.")
    try:
        picture = await request.app.state.originals.page(document, record, number)
    except InputError as exc:
        return sentence(404, str(exc))
    return Response(picture, media_type="image/jpeg", headers={"cache-control": "private, max-age=600"})


def _sheets(
    document: str, record: Json, sizes: tuple[tuple[float, float], ...], came: Mapping[str, Any]
) -> Iterator[Sheet]:
    name, mark = document_path(document).removeprefix("/documents/"), record.get("mark", "")
    for number, (width, height) in enumerate(sizes, 1):
        boxes = tuple(_boxes(number, max(width, height), came))
        yield Sheet(number, width, height, f"/original-page/{number}/{name}?mark={_plain(mark)}", boxes)


def _plain(mark: object) -> str:
    """What tells one version of a file from another in an address, for the browser's own memory."""
    return "".join(c for c in str(mark) if c.isalnum())[:64]


def _boxes(number: int, longest: float, came: Mapping[str, Any]) -> Iterator[Box]:
    for place, entry in came.items():
        if entry.get("page") == number and "box" in entry:
            scale = longest / OCR_HEIGHT if entry.get("source") == "ocr" else 1.0  # OCR counts in pages of one size
            x0, y0, x1, y1 = (round(edge * scale, 1) for edge in entry["box"])
            yield Box(place, x0 - 2, y0 - 1, max(x1 - x0, 1) + 4, max(y1 - y0, 1) + 2)
