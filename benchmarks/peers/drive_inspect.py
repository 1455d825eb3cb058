"""Inspect AI: an eval set of one task whose samples are the documents. It resumes from the logs in its folder."""

from __future__ import annotations

import json

from inspect_ai import Task, eval_set, task
from inspect_ai.dataset import Sample
from inspect_ai.log import read_eval_log
from inspect_ai.solver import generate

from job import MODEL, PROMPT, given, leave

job = given()


@task
def invoices() -> Task:
    samples = [Sample(id=name, input=PROMPT + text) for name, text in job.texts().items()]
    return Task(dataset=samples, solver=generate())


_, logs = eval_set(
    invoices(),
    log_dir=job.path("logs"),
    model=f"openai/{MODEL}",
    model_base_url=job.url,
    model_args={"responses_api": False},
    max_connections=job.concurrency,
    max_samples=job.concurrency,
    log_buffer=1,
    display="none",
)
log = read_eval_log(logs[0].location)
answers = {str(s.id): json.loads(s.output.completion)["invoice_number"] for s in log.samples or []}
tokens = sum(usage.total_tokens for s in log.samples or [] for usage in s.model_usage.values())
leave(job, answers, max(tokens, sum(usage.total_tokens for usage in log.stats.model_usage.values())), "tokens")
