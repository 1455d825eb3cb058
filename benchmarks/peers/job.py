"""What every driver is given and what it leaves behind.

A driver runs in the environment of its own tool, so this imports nothing but the standard library.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

MODEL = "gpt-4o-mini"
"""A name whose price every tool knows; who answers is the server of the benchmark."""
FIELDS = ("invoice_number", "issue_date", "seller_name", "gross_total")
PROMPT = f"Read this invoice. Answer with one JSON object with the keys {', '.join(FIELDS)}.\n"


@dataclass(frozen=True)
class Job:
    """`documents` is a JSON file, a list of {"name", "text"}; `folder` is the tool's own and outlives a kill."""

    documents: str
    url: str
    concurrency: int
    folder: str
    s3: str = ""

    def texts(self) -> dict[str, str]:
        """Document name to text."""
        found = json.loads(Path(self.documents).read_text(encoding="utf-8"))
        return {document["name"]: document["text"] for document in found}

    def path(self, name: str) -> str:
        return str(Path(self.folder, name))

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


def given() -> Job:
    """The job whose file the command line names."""
    return Job(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))


def leave(job: Job, answers: Mapping[str, str], spend: float | None = None, unit: str = "calls") -> None:
    """Says at the end which invoice number was recorded for each document, and what the tool says was spent."""
    report = {"answers": dict(answers), "spend": spend, "unit": unit}
    Path(job.folder, "report.json").write_text(json.dumps(report), encoding="utf-8")


def keep_litellm_at_home() -> None:
    """litellm would fetch its tokenizers and its price list: it ships both, and is told so. Before it is imported."""
    found = importlib.util.find_spec("litellm")
    assert found is not None and found.submodule_search_locations
    shipped = Path(found.submodule_search_locations[0], "litellm_core_utils", "tokenizers")
    copy = Path.home() / "tokenizers"
    shutil.copytree(shipped, copy, dirs_exist_ok=True)
    os.environ.update(TIKTOKEN_CACHE_DIR=str(copy), LITELLM_LOCAL_MODEL_COST_MAP="True")
