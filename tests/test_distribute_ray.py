"""Workers on a real Ray cluster of several nodes, all of them processes of this machine: what is killed loses nothing.

Ray is heavy, so it is not among what is installed for the other tests: `make test-ray`.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
from benchmarks.cluster import ray_cluster, struck
from benchmarks.documents import write_invoices
from benchmarks.machine import model_server as serving_model
from benchmarks.machine import s3_server as serving_s3
from tests import servers

from test_cli import counterfoil, model_server, started
from test_distribute import MODEL, at_work, calls, records, running, until

pytest.importorskip("ray", reason="needs Ray: make test-ray")


@pytest.fixture
def ray_folder(monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """Where Ray keeps its logs; sockets of its are there too, so the path must be short."""
    with tempfile.TemporaryDirectory(prefix="cf-ray-", ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        yield Path(folder)


def test_an_actor_that_is_killed_and_a_node_that_is_lost_cost_their_calls_in_flight_and_nothing_else(tmp_path: Path):
    """Others go on; a node that joins gets a worker; nothing of theirs is left behind."""
    source = write_invoices(tmp_path / "in", 160)
    with serving_s3(5, 10) as s3, serving_model(1.0) as model:
        survived = struck(tmp_path, s3, model, source, 160)
    summary = survived.finished.json()
    assert (summary["documents"], summary["done"], summary["pending"]) == (160, 160, 0)
    assert survived.paid <= 160 + survived.asked
    assert survived.verified.code == 0, survived.verified.stdout
    assert survived.left_over == 0
    assert survived.finished.stderr.count("a worker was lost") >= 2


def test_a_ray_of_our_own_tells_a_wrong_key_once_and_its_logs_never_see_it(tmp_path: Path, ray_folder: Path):
    """Without an address, on this machine."""
    key = "our-very-own-secret-key-0123456789"
    refused = json.dumps({"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}).encode()
    source, out = write_invoices(tmp_path / "in", 6), tmp_path / "out"
    with servers.scripted(lambda method, path: (401, refused)) as (url, asked):
        environ = {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": key}
        options = ["--model", MODEL, "--engine", "ray", "--workers", "2", "--json"]
        run = counterfoil("run", source, "--out", out, *options, environ=environ)
    assert (run.returncode, run.stdout) == (2, "")
    assert asked
    assert run.stderr.count("Incorrect API key provided") == 1
    logs = [path for path in ray_folder.rglob("*") if path.is_file()]
    assert logs
    assert not [path for path in [*logs, *out.rglob("*.json")] if key.encode() in path.read_bytes()]


def test_a_stopped_run_records_its_calls_and_waits_for_no_worker_that_has_no_place(tmp_path: Path):
    """One CPU for three workers."""
    source, out = write_invoices(tmp_path / "in", 40), tmp_path / "out"
    with model_server(latency=1.0) as environ, ray_cluster(1) as (ray, _):
        options = ["--model", MODEL, "--engine", "ray", "--address", ray.address, "--workers", "3"]
        run = started("run", source, "--out", out, *options, "--concurrency", "4", "--json", environ=environ)
        until(lambda: out.exists() and calls(environ)["in_flight"] >= 4)
        workers = at_work(out)
        run.send_signal(signal.SIGTERM)
        summary = json.loads(run.communicate(timeout=60)[0])
        asked = calls(environ)
    assert run.returncode == 130
    assert len(workers) == 1
    assert asked["calls"] == asked["completed"] == summary["paid_calls"] == summary["done"] > 0
    assert not any(record["status"] == "running" for record in records(out))
    assert not any(map(running, workers))


def test_an_address_where_no_ray_is_is_one_sentence_and_nothing_is_made(tmp_path: Path):
    """Exit code 2."""
    shutil.copytree(Path(__file__).resolve().parents[1] / "samples", tmp_path / "in")
    address = f"127.0.0.1:{servers.free_port()}"
    options = ["--engine", "ray", "--address", address]
    run = counterfoil("run", tmp_path / "in", "--out", tmp_path / "out", *options)
    assert run.returncode == 2
    assert re.search(rf"counterfoil: --address {address}: there is no way to Ray", run.stderr)
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "out").exists()
