"""The JSON of every file under OUT: indented for people, UTF-8, one way to write it and one way to read it back."""

from __future__ import annotations

import json
from typing import Any, cast

import orjson

from .errors import ManifestCorrupt

Json = dict[str, Any]


def encode(value: object) -> bytes:
    """Indented UTF-8. Lone surrogates (broken text of broken documents) become `?`: no JSON can carry them."""
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode("utf-8", "replace")


def decode(body: bytes, where: str) -> Json:
    """The JSON object in `body`; `where` names the file in the `ManifestCorrupt` that anything else raises."""
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise ManifestCorrupt(f"{where} is not JSON ({exc}); restore it from a backup or an older version") from exc
    if not isinstance(value, dict):
        raise ManifestCorrupt(f"{where} does not hold a JSON object; restore it from a backup or an older version")
    return cast("Json", value)
