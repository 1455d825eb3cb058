"""LangExtract: one call a document, all documents in one batch. It keeps nothing on the way, so it can't resume."""

from __future__ import annotations

import langextract
from langextract.data import Document, ExampleData, Extraction

from job import MODEL, given, leave

job = given()
texts = job.texts()
example = ExampleData(
    text="Invoice number A-1 of 2024-01-31, total EUR 10.00",
    extractions=[Extraction(extraction_class="invoice_number", extraction_text="A-1")],
)
found = langextract.extract(
    [Document(text=text, document_id=name) for name, text in texts.items()],
    prompt_description="Extract the invoice number, exactly as it is printed.",
    examples=[example],
    model_id=MODEL,
    api_key="none",
    language_model_params={"base_url": job.url},
    max_char_buffer=100_000,
    batch_length=len(texts),
    max_workers=job.concurrency,
    show_progress=False,
)
assert isinstance(found, list)
leave(job, {str(each.document_id): each.extractions[0].extraction_text for each in found if each.extractions})
