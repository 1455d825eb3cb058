"""What a message of a bucket tells: which objects have come to be, however it is wrapped, and never a guess."""

from __future__ import annotations

import json
from typing import Any

import pytest

from counterfoil.s3_events import Created, Unreadable, created_in


def record(event: str, key: str, bucket: str = "in") -> dict[str, Any]:
    """One record of an S3 event notification; its key is URL-encoded."""
    about = {"bucket": {"name": bucket}, "object": {"key": key, "size": 5, "eTag": "d41d8cd9", "sequencer": "00"}}
    return {"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": event, "s3": about}


def notification(*records: dict[str, Any]) -> str:
    return json.dumps({"Records": records})


def bridged(kind: str, key: str) -> str:
    """The same by EventBridge; its key is as it is."""
    detail = {"version": "0", "bucket": {"name": "in"}, "object": {"key": key, "size": 5}, "reason": "PutObject"}
    return json.dumps({"version": "0", "detail-type": kind, "source": "aws.s3", "detail": detail})


def by_sns(body: str) -> str:
    return json.dumps({"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": body})


@pytest.mark.parametrize(
    "event", ["ObjectCreated:Put", "ObjectCreated:CompleteMultipartUpload", "s3:ObjectCreated:Copy"]
)
def test_every_way_to_write_an_object_is_an_arrival(event: str):
    """Some servers write the name of an event with its service."""
    assert created_in(notification(record(event, "a.pdf"))) == [Created("in", "a.pdf")]


def test_a_key_of_s3_is_decoded_and_one_of_eventbridge_is_as_it_is():
    """A plus is a space in the one, and a plus in the other."""
    assert created_in(notification(record("ObjectCreated:Put", "2026/M%C3%BCller+%26+Co%2B1.pdf"))) == [
        Created("in", "2026/Müller & Co+1.pdf")
    ]
    assert created_in(bridged("Object Created", "a+b%20c.pdf")) == [Created("in", "a+b%20c.pdf")]


def test_a_message_may_tell_of_several_objects():
    """In their order."""
    records = [record("ObjectCreated:Put", key) for key in ("a.pdf", "b.pdf")]
    assert [created.key for created in created_in(notification(*records))] == ["a.pdf", "b.pdf"]


@pytest.mark.parametrize("event", ["ObjectRemoved:Delete", "LifecycleExpiration:Delete", "ObjectTagging:Put"])
def test_what_is_no_arrival_tells_of_nothing(event: str):
    """Removals, expiry, tags; by EventBridge too."""
    assert created_in(notification(record(event, "a.pdf"))) == []
    assert created_in(bridged("Object Deleted", "a.pdf")) == []


def test_the_test_of_a_connection_tells_of_nothing():
    """S3 sends it once, when a notification is set up."""
    assert created_in(json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "in"})) == []


@pytest.mark.parametrize(
    "body", [notification(record("ObjectCreated:Put", "a.pdf")), bridged("Object Created", "a.pdf")]
)
def test_a_topic_between_changes_nothing(body: str):
    """SNS wraps what it passes on."""
    assert created_in(by_sns(body)) == [Created("in", "a.pdf")]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("hello", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[1]", "no JSON object"),
        ("{}", "no notification"),
        ('{"Records": 7}', "no notification"),
        ('{"Records": [{"eventName": "ObjectCreated:Put"}]}', "no notification"),
        (
            notification(record("ObjectCreated:Put", "a") | {"s3": {"bucket": {"name": 1}, "object": {"key": "a"}}}),
            "no not",
        ),
        ('{"source": "aws.s3"}', "no notification"),
        (by_sns(by_sns(by_sns(by_sns("{}")))), "wrapped too often"),
    ],
)
def test_anything_else_is_unreadable_and_says_why(body: str, why: str):
    """Nobody guesses what it could have meant."""
    with pytest.raises(Unreadable, match=why):
        created_in(body)
