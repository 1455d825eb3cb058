"""The files of deploy/: valid of their kind, safe, and saying what this version of the product takes and needs."""

from __future__ import annotations

import http.client
import re
import subprocess
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from tests import servers
from tests.batch import invoice_pdf

from counterfoil.cli import cli
from counterfoil.command_arrivals import How, watch_source
from counterfoil.command_run import run_batch
from counterfoil.command_run_options import Options
from counterfoil.display import Display
from counterfoil.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
VALIDATORS = ROOT / ".validators" / "bin"
KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
TEMPLATE = DEPLOY / "aws" / "counterfoil.yaml"


def _tagged(loader: yaml.SafeLoader, _tag: str, node: yaml.Node) -> Any:
    """What a short function of CloudFormation is of: its text, or its list."""
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    assert isinstance(node, yaml.SequenceNode)
    return loader.construct_sequence(node, deep=True)


class Loader(yaml.SafeLoader):
    """Reads CloudFormation too."""


Loader.add_multi_constructor("!", _tagged)


def read(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), Loader)


def resource(name: str) -> Any:
    return read(TEMPLATE)["Resources"][name]["Properties"]


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


# --- valid, by the linter of each kind


@pytest.mark.skipif(not VALIDATORS.exists(), reason="`make validate` sets the linters up")
@pytest.mark.parametrize(
    "command",
    [
        ["hadolint", str(DEPLOY / "Dockerfile")],
        ["cfn-lint", "--", str(TEMPLATE)],
        *(["kubernetes-validate", "--strict", str(path)] for path in KUBERNETES),
    ],
    ids=lambda command: Path(command[-1]).name,
)
def test_each_file_passes_its_linter(command: list[str]):
    """Without a warning."""
    done = subprocess.run([VALIDATORS / command[0], *command[1:]], capture_output=True, text=True, check=False)
    assert (done.returncode, [line for line in done.stdout.splitlines() if "passed" not in line]) == (0, []), (
        done.stderr
    )


# --- the image


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile, comments left out and lines joined."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.M).replace("\\\n", "")
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line)]


def test_the_image_runs_as_nobody_in_particular_and_starts_the_command():
    """By number, which is what `runAsNonRoot` can check; the last stage is what runs."""
    last = dict(instructions())
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", last["USER"])
    assert last["ENTRYPOINT"] == '["counterfoil"]'


def test_what_the_image_is_made_of_is_there_and_named_by_no_address():
    """Everything that is copied exists and is let through; packages come from whatever index the builder uses."""
    let_through = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copies = [rest.split() for word, rest in instructions() if word == "COPY" and "--from" not in rest]
    copied = [name for names in copies for name in names[:-1]]
    assert "src" in copied
    assert set(copied) == set(let_through)
    assert all((ROOT / name).exists() for name in copied)
    assert "://" not in re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.M)


# --- what is started


def containers() -> dict[str, Any]:
    """The container of each workload, with its pod."""
    found = {}
    for path in KUBERNETES:
        body = read(path)
        if "template" in body.get("spec", {}):
            pod = body["spec"]["template"]["spec"]
            found[path.name] = (pod, pod["containers"][0], body["spec"])
    return found


def commands() -> dict[str, list[str]]:
    """What each file starts, with something in place of what a stack fills in."""
    batch = resource("Run")["ContainerProperties"]["Command"]
    watch = resource("WatchTask")["ContainerDefinitions"][0]["Command"]
    filled = {"MaxCost": "5", "Model": "openai:m", "Arrivals": "https://sqs.eu-west-1.amazonaws.com/1/q"}
    ours = {name: container["args"] for name, (_, container, _) in containers().items()}
    return ours | {
        name: [filled.get(word, word) for word in words] for name, words in (("Run", batch), ("Watch", watch))
    }


@pytest.mark.parametrize("name", ["job.yaml", "watch.yaml", "Run", "Watch"])
def test_what_is_started_is_a_command_of_this_version(name: str):
    """With options that it has, at values that it takes."""
    command, *arguments = commands()[name]
    context = cli.commands[command].make_context(command, list(arguments))
    assert context.params["source"].startswith("s3://")
    assert context.params["max_cost"] or name == "watch.yaml"


@pytest.mark.parametrize("name", ["job.yaml", "watch.yaml"])
def test_a_pod_has_no_more_rights_than_it_needs_and_time_to_end_well(name: str):
    """Not root, nothing written but /tmp, no token of the cluster; longer to end than calls in flight may take."""
    pod, container, _ = containers()[name]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert pod["terminationGracePeriodSeconds"] >= Settings().grace + 15
    safe = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert container["securityContext"] == safe
    assert {"requests", "limits"} == set(container["resources"])
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]
    assert not any("value" in variable for variable in container.get("env", []))


def test_a_job_is_tried_again_only_where_that_may_help():
    """Failed documents and a reached limit end it; a lost node never counts."""
    _, _, job = containers()["job.yaml"]
    rules = {rule["action"]: rule for rule in job["podFailurePolicy"]["rules"]}
    assert rules["Ignore"]["onPodConditions"][0]["type"] == "DisruptionTarget"
    assert rules["FailJob"]["onExitCodes"]["values"] == [1, 3]
    assert "completions" not in job
    exits = {rule["OnExitCode"]: rule["Action"] for rule in resource("Run")["RetryStrategy"]["EvaluateOnExit"]}
    assert exits == {"1": "EXIT", "2": "EXIT", "3": "EXIT"}


# --- rights


@contextmanager
def overheard(url: str) -> Generator[tuple[str, list[tuple[str, str, bool]]]]:
    """A way to a server, and what went over it: method, path with its query, and whether a write had a condition."""
    heard: list[tuple[str, str, bool]] = []
    where = urlsplit(url).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            conditional = "If-Match" in self.headers or "If-None-Match" in self.headers
            if self.command == "POST":  # several deletes in one
                bucket = self.path.partition("?")[0].rstrip("/")
                heard.extend(
                    ("DELETE", f"{bucket}/{key}", False) for key in re.findall("<Key>(.*?)</Key>", body.decode())
                )
            else:
                heard.append((self.command, self.path, conditional))
            connection = http.client.HTTPConnection(where, timeout=20)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            told = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                    self.send_header(name, value)
            self.send_header("Content-Length", answer.getheader("Content-Length") or str(len(told)))
            self.end_headers()
            self.wfile.write(told)
            connection.close()

        do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = pass_on  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def action_of(method: str, path: str) -> tuple[str, str]:
    """What IAM calls a request, and the resource that it asks the right for."""
    parts = urlsplit(path)
    bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
    if "list-type" in parts.query:
        return "s3:ListBucket", f"arn:${{AWS::Partition}}:s3:::{bucket}"
    names = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
    return f"s3:{names[method]}", f"arn:${{AWS::Partition}}:s3:::{bucket}/{key}"


def covers(statement: Mapping[str, Any], action: str, asked: str, bucket: str) -> bool:
    resources = [one.replace("${BucketName}", bucket) for one in listed(statement["Resource"])]
    return action in listed(statement["Action"]) and any(fnmatchcase(asked, one) for one in resources)


async def test_a_worker_has_the_rights_that_it_uses_and_no_others(
    s3: Mapping[str, str], bucket: str, monkeypatch: pytest.MonkeyPatch
):
    """A watch of what is empty yet, a run, a run again: every request is allowed, every right is used, and no write is
    refused by the bucket, which takes unconditional ones of heartbeats alone."""
    allowed = resource("WorkerRole")["Policies"][0]["PolicyDocument"]["Statement"]
    denied = resource("BucketPolicy")["PolicyDocument"]["Statement"][0]
    used = set[str]()
    with overheard(s3["AWS_ENDPOINT_URL"]) as (url, heard):
        for name, value in (s3 | {"AWS_ENDPOINT_URL": url}).items():
            monkeypatch.setenv(name, value)
        options, quiet = (
            Options(f"s3://{bucket}/in", f"s3://{bucket}/out", shards=1, reader="rules"),
            Display(quiet=True),
        )
        await watch_source(options, How(every=0.1, idle=0.1), quiet)
        for name in ("a", "b", "a-again"):
            servers.put_object(s3["AWS_ENDPOINT_URL"], bucket, f"in/{name}.pdf", invoice_pdf(name[0]))
        for _ in range(2):
            await run_batch(options, quiet)
    for method, path, conditional in heard:
        action, asked = action_of(method, path)
        by = [statement["Sid"] for statement in allowed if covers(statement, action, asked, bucket)]
        assert by, f"{method} {path} is not allowed"
        assert conditional or not covers(denied, action, asked, bucket), f"{method} {path} is refused"
        used |= {action}
    assert {statement["Sid"] for statement in allowed} == {
        *("SeeWhatThereIs", "ReadDocumentsAndManifest", "Record", "EndHeartbeats", "TakeMessages")
    }
    rights = {action for statement in allowed for action in listed(statement["Action"])}
    assert rights == used | {"sqs:ReceiveMessage", "sqs:DeleteMessage"}
    plain = {path.split("/")[3] for method, path, conditional in heard if method == "PUT" and not conditional}
    assert plain == {"workers"}


def test_a_plain_write_of_anything_that_is_shared_is_refused():
    """Of everything that OUT holds but heartbeats; a condition of either kind is taken."""
    denied = resource("BucketPolicy")["PolicyDocument"]["Statement"][0]
    assert denied["Condition"] == {"Null": {"s3:if-match": "true", "s3:if-none-match": "true"}}
    for key in ("manifest.json", "manifest/0000.json", "results/ab/x.json", "duplicates/ab/x.json", "batches.json"):
        assert covers(denied, "s3:PutObject", f"arn:${{AWS::Partition}}:s3:::b/out/{key}", "b"), key
    assert not covers(denied, "s3:PutObject", "arn:${AWS::Partition}:s3:::b/out/workers/x.json", "b")
    assert not covers(denied, "s3:PutObject", "arn:${AWS::Partition}:s3:::b/in/a.pdf", "b")


def test_a_message_that_cannot_be_read_ends_among_the_dead_letters():
    """The queue moves it there before a watcher would take it off."""
    from counterfoil.arrivals import MOST_RECEIVED
    from counterfoil.queue_sqs import HIDDEN

    assert resource("Arrivals")["RedrivePolicy"]["maxReceiveCount"] < MOST_RECEIVED
    assert resource("Arrivals")["VisibilityTimeout"] == HIDDEN


def test_every_file_is_explained():
    """docs/deploy.md names each."""
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    files = [path for path in DEPLOY.rglob("*") if path.is_file()]
    assert all(f"deploy/{path.relative_to(DEPLOY)}" in page for path in files)
    assert len(files) == len(KUBERNETES) + 2
