"""`counterfoil watch` as users meet it: real processes, a real S3 that tells a real queue of them, real signals."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests import servers
from tests.batch import invoice_pdf
from tests.test_cli import started

from counterfoil import command_arrivals
from counterfoil.audit import audit
from counterfoil.cli_arrivals import watch
from counterfoil.cli_run import run
from counterfoil.command_arrivals import How, watch_source
from counterfoil.command_run_options import Options
from counterfoil.display import Display
from counterfoil.errors import SetupError
from counterfoil.queue_sqs import open_queue
from counterfoil.views import find_documents

PATIENCE = 20.0


def wait_for(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def finished_in(out: Path) -> int:
    """How many documents a folder's manifest has that are finished."""
    shards = [json.loads(path.read_text()) for path in (out / "manifest").glob("*.json")]
    return sum(record["status"] in ("done", "review") for shard in shards for record in shard["records"].values())


def test_a_watch_of_a_folder_reads_what_comes_and_ends_well_at_a_signal(tmp_path: Path):
    """Exit code 0, a line of progress, and one JSON object at the end."""
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "a.pdf").write_bytes(invoice_pdf("A"))
    process = started("watch", source, "--out", out, "--every", "0.2", "--json", environ={})
    wait_for(lambda: finished_in(out) == 1)
    (source / "b.pdf").write_bytes(invoice_pdf("B", 200))
    wait_for(lambda: finished_in(out) == 2)
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert f"watching {source}" in stderr
    assert json.loads(stdout)["documents"] == 2


@pytest.fixture
def told(s3: Mapping[str, str], bucket: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Any]:
    """The URL of a queue that the bucket tells of new objects, and a client for it."""
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    import boto3

    clients = {"endpoint_url": s3["AWS_ENDPOINT_URL"], "region_name": s3["AWS_REGION"]}
    sqs = boto3.client("sqs", **clients)
    url = sqs.create_queue(QueueName=bucket)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(_may_send(arn))})
    boto3.client("s3", **clients).put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={
            "QueueConfigurations": [
                {
                    "QueueArn": arn,
                    "Events": ["s3:ObjectCreated:*"],
                    "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}]}},
                }
            ]
        },
    )
    return url, sqs


def _may_send(queue: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage"}
    return {"Version": "2012-10-17", "Statement": [statement | {"Resource": queue}]}


def test_objects_are_read_as_messages_tell_of_them_by_whoever_is_left(
    told: tuple[str, Any], s3: Mapping[str, str], bucket: str
):
    """Twice delivered, by two watchers of which one is killed: each document once, and `verify` finds nothing."""
    url, sqs = told
    source, out = f"s3://{bucket}/in", f"s3://{bucket}/out"
    command = ["watch", source, "--out", out, "--queue", url, "--every", "600", "--reader", "rules", "--shards", "1"]
    both = [started(*command, *more, environ=s3) for more in (["--quiet"], ["--json", "--idle", "2.5"])]
    wait_for(lambda: len(servers.listed(s3["AWS_ENDPOINT_URL"], bucket, "out/workers/")) == 2)
    for n in range(12):
        servers.put_object(s3["AWS_ENDPOINT_URL"], bucket, f"in/ä b+{n}.pdf", invoice_pdf(f"N-{n}", 100 + n))
        about = {"bucket": {"name": bucket}, "object": {"key": f"in/%C3%A4+b%2B{n}.pdf"}}
        body = {"Records": [{"eventName": "ObjectCreated:Put", "s3": about}]}
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body))
    both[0].kill()
    stdout, stderr = both[1].communicate(timeout=PATIENCE)
    assert both[1].returncode == 0, stderr
    assert (json.loads(stdout)["documents"], json.loads(stdout)["pending"]) == (12, 0)
    report, records = asyncio.run(audit(out)), asyncio.run(find_documents(out, ()))
    assert {document: record["status"] for document, record in records} == {f"ä b+{n}.pdf": "done" for n in range(12)}
    assert report.breaches == []


async def test_a_model_that_is_away_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It is said, no document fails for it, and what was in hand is read once it is back."""
    monkeypatch.setattr(command_arrivals, "_LEAST_REST", 0.2)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.pdf").write_bytes(invoice_pdf("A"))
    port, notes = servers.free_port(), list[str]()
    display = Display(quiet=True)
    monkeypatch.setattr(display, "note", notes.append)
    environ = {"OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1", "OPENAI_API_KEY": "none"}
    options = Options(
        str(tmp_path / "in"), str(tmp_path / "out"), model="openai:gpt-4.1-mini", max_attempts=1, shards=1
    )
    watching = asyncio.create_task(watch_source(options, How(every=0.2, idle=1.0), display, environ))
    while not any("no connection" in note for note in notes):
        await asyncio.sleep(0.05)
    command = [sys.executable, "-m", "benchmarks.model_server", "--port", str(port), "--latency", "0"]
    server = await asyncio.create_subprocess_exec(*command, cwd=Path(__file__).parents[1], stdout=subprocess.DEVNULL)
    try:
        report = await watching
    finally:
        server.kill()
        await server.wait()
    assert report is not None
    assert (report.summary["documents"], report.summary["failed"], report.summary["pending"]) == (1, 0, 0)
    assert report.summary["paid_calls"] == 1


def test_a_watch_has_the_options_of_a_run_but_those_that_mean_nothing_there():
    """One way to say a thing."""
    theirs, ours = ({parameter.name for parameter in command.params} for command in (run, watch))
    assert {"limit", "batch"} <= theirs - ours <= {"limit", "batch", "engine", "workers", "address", "cpus"}
    assert ours - theirs == {"queue", "every", "idle"}


@pytest.mark.parametrize(
    ("source", "queue", "said"),
    [
        ("a-folder", "https://sqs.eu-west-1.amazonaws.com/1/q", "is no s3:// URL"),
        ("s3://bucket/in", "my-queue", "no URL of a queue"),
        ("nowhere", None, "no such file or folder"),
        ("a-file.pdf", None, "watch needs a folder or a bucket"),
    ],
)
async def test_what_cannot_be_watched_is_said(tmp_path: Path, source: str, queue: str | None, said: str):
    """Before anything is waited for."""
    (tmp_path / "a-folder").mkdir()
    (tmp_path / "a-file.pdf").write_bytes(b"")
    where = source if "://" in source else str(tmp_path / source)
    with pytest.raises(SetupError, match=said):
        await watch_source(Options(where, str(tmp_path / "out")), How(queue=queue), Display(quiet=True))


async def test_a_queue_that_is_not_there_ends_a_watch(told: tuple[str, Any], tmp_path: Path, bucket: str):
    """A person must mend that; it is no outage."""
    options = Options(f"s3://{bucket}/in", str(tmp_path / "out"))
    with pytest.raises(SetupError, match=r"NonExistentQueue.*check --queue"):
        await watch_source(options, How(queue=f"{told[0]}-2"), Display(quiet=True))


async def test_without_its_client_a_queue_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    """One sentence."""
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(SetupError, match=r"pip install 'counterfoil\[aws\]'"):
        async with open_queue("https://sqs.eu-west-1.amazonaws.com/1/q", os.environ):
            pass
