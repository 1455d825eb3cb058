"""docetl: one map operation. It resumes from its cache of model calls; partial results are on too."""

from __future__ import annotations

import json
import os
from pathlib import Path

from job import FIELDS, MODEL, PROMPT, given, keep_litellm_at_home, leave

job = given()
keep_litellm_at_home()
os.environ.update(OPENAI_API_BASE=job.url, DOCETL_HOME_DIR=job.folder)

from docetl.runner import DSLRunner  # noqa: E402 - it reads the environment when it is imported

READ = {
    "name": "read",
    "type": "map",
    "prompt": PROMPT + "{{ input.text }}",
    "output": {"schema": dict.fromkeys(FIELDS, "string") | {"gross_total": "float"}},
    "flush_partial_results": True,
}
PIPELINE = {
    "default_model": f"openai/{MODEL}",
    "datasets": {"invoices": {"type": "file", "path": job.documents}},
    "operations": [READ],
    "pipeline": {
        "steps": [{"name": "invoices", "input": "invoices", "operations": ["read"]}],
        "output": {"type": "file", "path": job.path("answers.json"), "intermediate_dir": job.path("intermediate")},
    },
}

cost = DSLRunner(PIPELINE, max_threads=job.concurrency).load_run_save()
answers = json.loads(Path(job.path("answers.json")).read_text(encoding="utf-8"))
leave(job, {answer["name"]: answer["invoice_number"] for answer in answers}, cost, "USD")
