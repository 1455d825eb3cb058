"""Bespoke Curator: structured output from its OpenAI backend. It resumes from the responses in its working folder."""

from __future__ import annotations

import os

from pydantic import BaseModel

from job import MODEL, PROMPT, given, keep_litellm_at_home, leave

job = given()
keep_litellm_at_home()
os.environ.update(OPENAI_BASE_URL=job.url, TELEMETRY_ENABLED="0", HF_HUB_OFFLINE="1", CURATOR_DISABLE_RICH_DISPLAY="1")

from bespokelabs import curator  # noqa: E402 - it reads the environment when it is imported
from datasets import Dataset  # noqa: E402


class Invoice(BaseModel):
    invoice_number: str
    issue_date: str
    seller_name: str
    gross_total: float


class Reader(curator.LLM):
    response_format = Invoice

    def prompt(self, row: dict[str, str]) -> str:
        return PROMPT + row["text"]

    def parse(self, row: dict[str, str], response: Invoice) -> dict[str, str]:
        return {"name": row["name"], "invoice_number": response.invoice_number}


LIMITS = {
    "max_requests_per_minute": 1_000_000,
    "max_tokens_per_minute": 1_000_000_000,
    "max_concurrent_requests": job.concurrency,
}
documents = Dataset.from_list([{"name": name, "text": text} for name, text in job.texts().items()])
response = Reader(model_name=MODEL, backend="openai", backend_params=LIMITS)(documents, working_dir=job.path("work"))
answers = {row["name"]: row["invoice_number"] for row in response.dataset}
leave(job, answers, response.cost_info.total_cost, "USD")
