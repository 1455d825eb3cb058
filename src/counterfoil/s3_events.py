"""What a message says that a bucket, or somebody in between, has sent: which objects have come to be.

S3 event notifications, as they are or inside of an SNS notification, and those of EventBridge. A pure function of text:
whoever asks decides what becomes of a message that is none of these.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import unquote_plus

_MOST_WRAPPERS = 3


class Unreadable(Exception):
    """The message is no notification that is known here; it says why."""


@dataclass(frozen=True, slots=True)
class Created:
    """An object that was written: it may have been written again since, or deleted."""

    bucket: str
    key: str


def created_in(body: str) -> list[Created]:
    """The objects that a message tells were written. Removals, restores and tests of the connection tell of none.

    Raises `Unreadable`. Sources: the S3 user guide, "Event message structure" (there a key is URL-encoded, a space is
    a +) and "EventBridge event message structure" (there it is as it is).
    """
    for _ in range(_MOST_WRAPPERS):
        message = _object(body)
        if message.get("Type") == "Notification" and isinstance(message.get("Message"), str):
            body = message["Message"]
            continue
        return _created(message)
    raise Unreadable("it is wrapped too often")


def _object(body: str) -> Mapping[str, Any]:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise Unreadable("it is no JSON") from exc
    if not isinstance(message, dict):
        raise Unreadable("it is no JSON object")
    return cast("Mapping[str, Any]", message)


def _created(message: Mapping[str, Any]) -> list[Created]:
    if message.get("Event") == "s3:TestEvent":
        return []
    try:
        if message.get("source") == "aws.s3":
            return [_named(message["detail"])] if message["detail-type"] == "Object Created" else []
        records = message["Records"]
        return [_named(record["s3"], unquote_plus) for record in records if _is_created(record["eventName"])]
    except (KeyError, TypeError, AttributeError) as exc:
        raise Unreadable("it is no notification of S3 or EventBridge") from exc


def _is_created(event: str) -> bool:
    return event.removeprefix("s3:").startswith("ObjectCreated:")


def _named(about: Mapping[str, Any], decoded: Any = str) -> Created:
    bucket, key = about["bucket"]["name"], about["object"]["key"]
    if not (isinstance(bucket, str) and isinstance(key, str)):
        raise TypeError("a name is no text")
    return Created(bucket, decoded(key))
