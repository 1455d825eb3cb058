"""Who is compared: the command of each, the environment it is given, and what it left behind.

Nothing of a contestant may leave this machine: of the caller's environment only PATH is passed on, and whatever asks
for a proxy gets a dead one. The home folder is the contestant's own, and the same for all of its trials: caches that
are made once for a user (fonts, tokenizers) are made in the one that isn't counted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from counterfoil.document import Limits
from counterfoil.pdf import read_pdf

from ..documents import invoice_pdf, name, write_invoices
from ..machine import Server, counterfoil, environment
from .job import Job

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parents[1]
_DEAD_PROXY = "http://127.0.0.1:9"


@dataclass(frozen=True, slots=True)
class Documents:
    """The same documents twice: PDFs in `pdfs`, and in the file `texts` what Counterfoil reads in them."""

    names: Sequence[str]
    pdfs: Path
    texts: Path


def write_documents(folder: Path, count: int) -> Documents:
    """Each text names its document, so that the server can tell which one a call is about."""
    names = [name(number) for number in range(count)]
    pdfs, texts = write_invoices(folder / "pdfs", count), folder / "texts.json"
    pages = [read_pdf(invoice_pdf(number), Limits()).pages for number in range(count)]
    found = [
        {"name": each, "text": "\n".join(["INVOICE", f"File name: {json.dumps(each)}", *(page.text for page in read)])}
        for each, read in zip(names, pages, strict=True)
    ]
    texts.write_text(json.dumps(found), encoding="utf-8")
    return Documents(names, pdfs, texts)


@dataclass(frozen=True, slots=True)
class Trial:
    """One contestant's turn: what it reads, whom it asks, how many at once, and a folder that nobody else uses."""

    documents: Documents
    model: Server
    s3: Server
    concurrency: int
    folder: Path

    @property
    def s3_url(self) -> str:
        return f"s3://bench/{self.folder.name}"


@dataclass(frozen=True, slots=True)
class Report:
    """What a contestant recorded, document to invoice number, and what it says was spent; None: it does not say.

    `unknown` are the calls that it counts in `spend` and names as of unknown outcome.
    """

    answers: Mapping[str, str] = field(default_factory=dict[str, str])
    spend: float | None = None
    unit: str = "calls"
    unknown: int = 0


class Contestant(Protocol):
    """`resumes` says how it goes on after a kill, empty if it can't; `setting` how it was told the concurrency."""

    @property
    def name(self) -> str: ...
    @property
    def setting(self) -> str: ...
    @property
    def resumes(self) -> str: ...
    def prepare(self, cache: Path) -> None: ...
    def command(self, trial: Trial) -> Sequence[str]: ...
    def environ(self, trial: Trial) -> Mapping[str, str]: ...
    def report(self, trial: Trial) -> Report: ...


@dataclass(slots=True)
class Driven:
    """A driver of this folder, in the Python of its tool; without `requires`, in the one that runs this."""

    name: str
    driver: str
    setting: str
    resumes: str
    requires: tuple[str, ...] = ()
    _python: str = sys.executable

    def prepare(self, cache: Path) -> None:
        """Installs the tool, once."""
        if self.requires:
            self._python = str(installed(cache / self.name, self.requires))

    def command(self, trial: Trial) -> Sequence[str]:
        job = trial.folder / "job.json"
        url, state = trial.model.url, str(trial.folder)
        Job(str(trial.documents.texts), url, trial.concurrency, state, trial.s3_url).write(job)
        return [self._python, str(_HERE / self.driver), str(job)]

    def environ(self, trial: Trial) -> Mapping[str, str]:
        home = trial.folder.parent / f"home-{self.name}"
        home.mkdir(exist_ok=True)
        ours = _ours(trial) if not self.requires else {}
        proxies = {"HTTP_PROXY": _DEAD_PROXY, "HTTPS_PROXY": _DEAD_PROXY, "NO_PROXY": "127.0.0.1,localhost"}
        base = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "OPENAI_API_KEY": "none"}
        return ours | proxies | base

    def report(self, trial: Trial) -> Report:
        left = trial.folder / "report.json"
        return Report(**json.loads(left.read_text(encoding="utf-8"))) if left.exists() else Report()


def _ours(trial: Trial) -> dict[str, str]:
    """Where this repository is, and the way to the S3 server."""
    found = {key: value for key, value in environment(trial.s3).items() if key.startswith("AWS_")}
    return found | {"PYTHONPATH": os.pathsep.join([str(_ROOT), str(_ROOT / "src")])}


@dataclass(frozen=True, slots=True)
class Counterfoil:
    """The installed command, reading the PDFs themselves."""

    name: str
    on_s3: bool
    setting: str = "--concurrency N"
    resumes: str = "the same command again"

    def prepare(self, cache: Path) -> None: ...

    def _out(self, trial: Trial) -> str:
        return f"{trial.s3_url}/out" if self.on_s3 else str(trial.folder / "out")

    def command(self, trial: Trial) -> Sequence[str]:
        command = str(Path(sys.executable).with_name("counterfoil"))
        asks = ("--model", "openai:gpt-4o-mini", "--concurrency", str(trial.concurrency))
        return [command, "run", str(trial.documents.pdfs), "--out", self._out(trial), *asks, "--quiet", "--json"]

    def environ(self, trial: Trial) -> Mapping[str, str]:
        return environment(trial.s3, trial.model)

    def report(self, trial: Trial) -> Report:
        def told(command: str) -> Any:
            return counterfoil(trial.folder, self.environ(trial), command, self._out(trial), "--json").json()

        status = told("status")
        records = [record for record in told("list") if record["status"] in ("done", "review")]
        answers = {record["document"]: record["summary"]["invoice_number"] for record in records}
        return Report(answers, status["calls"], unknown=status["unknown_calls"])


def installed(folder: Path, requires: Sequence[str]) -> Path:
    """The Python of an environment that holds exactly these requirements; made anew when they have changed."""
    python, stamp = folder / "bin" / "python", folder / "installed.txt"
    if not stamp.exists() or stamp.read_text(encoding="utf-8").split() != list(requires):
        print(f"installing {' '.join(requires)} ...", file=sys.stderr, flush=True)
        venv.create(folder, clear=True, with_pip=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *requires], check=True, stdout=sys.stderr)
        stamp.write_text("\n".join(requires), encoding="utf-8")
    return python


CONTESTANTS: Sequence[Contestant] = (
    Driven("floor", "drive_floor.py", "asyncio.Semaphore(N) and gather, no manifest", ""),
    Driven("lock", "drive_lock.py", "the same, a manifest in S3 under one asyncio.Lock", "skips what is in it"),
    Counterfoil("counterfoil", on_s3=False),
    Counterfoil("counterfoil-s3", on_s3=True),
    Driven(
        "docetl",
        "drive_docetl.py",
        "DSLRunner(max_threads=N)",
        "its cache of model calls, flush_partial_results, intermediate_dir",
        ("docetl==0.3.0",),
    ),
    Driven(
        "inspect-ai",
        "drive_inspect.py",
        "eval_set(max_connections=N, max_samples=N)",
        "eval_set on the same log_dir, log_buffer=1",
        ("inspect-ai==0.3.285", "openai==3.57.0"),
    ),
    Driven(
        "langextract",
        "drive_langextract.py",
        "max_workers=N, batch_length=all documents",
        "",
        ("langextract[openai]==1.7.1",),
    ),
    Driven(
        "curator",
        "drive_curator.py",
        "backend_params: max_concurrent_requests=N, no limit a minute",
        "the same working_dir",
        ("bespokelabs-curator==0.1.31",),
    ),
    Driven(
        "dbos",
        "drive_dbos.py",
        "asyncio.Semaphore(N), a workflow a document, SQLite",
        "launch, and the same workflow ids",
        ("dbos==3.4.0", "aiohttp==3.13.5"),
    ),
)
