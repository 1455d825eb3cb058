"""What the checks say of a model's answer, found out in a worker process of its own kind: the loop never works.

It promises that a paid answer is never lost: whatever becomes of the worker, the answer comes back as an extraction, if
need be with an error among its findings that says that nobody has checked it. It never asks a model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from .document import Data, Finding, Reading, Usage
from .errors import InputError, SetupError, Unavailable
from .extract import Extraction, checked
from .offload import Offload
from .spend import NOTHING

if TYPE_CHECKING:
    from .invoice import Invoice  # a run starts faster without it


@dataclass(frozen=True, slots=True)
class Answered:
    """What a model made of a document, and what its calls took."""

    fields: Invoice | Data
    usage: Usage


async def judged(answer: Answered, reading: Reading, offload: Offload, today: date, ours: Sequence[str]) -> Extraction:
    """The answer with what the checks say of it. `offload` is for this alone: paid answers wait for no scan there, and
    not for its start either, for what waits is lost if this process is killed."""
    if isinstance(answer.fields, Data):  # its checks have been made
        return checked(answer.fields, "model", reading, today, answer.usage)
    judging = checked, answer.fields, "model", _without_pictures(reading), today, NOTHING, ours
    try:
        extraction = await (offload.run(*judging) if offload.ready else asyncio.to_thread(*judging))
    except (InputError, SetupError, Unavailable) as exc:
        finding = Finding("checks.unfinished", "error", f"the checks of this answer came to no end: {exc}")
        findings = (*reading.findings, finding)
        return Extraction(answer.fields, "model", findings, answer.usage, reading.profile, reading.pages)
    return replace(extraction, usage=answer.usage)


def _without_pictures(reading: Reading) -> Reading:
    """For the way to the worker: the checks look at no picture, only at which pages have one."""
    return replace(reading, images=tuple(replace(image, data=b"") for image in reading.images))
