"""What a run is made of: its settings, the components that it is given, and what it has done so far. Data only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

from .document import Images, Limits, Ocr, OnDuplicates, ReaderName, Usage
from .extract import NO_OCR
from .form import Form, OwnSchema
from .manifest import Manifest
from .model import Model
from .offload import Offload
from .pace import Pace
from .prices import LIST_PRICES, Prices
from .source import Source
from .watch import NOBODY, Watch
from .worker import Worker


@dataclass(frozen=True, slots=True)
class Settings:
    """How documents are read, and how much happens at once. `grace` is how long (s) calls in flight may take to end
    once the run is told to stop; `poll` the longest time (s) between two looks at what other workers did.
    `max_attempts` bounds the calls for one answer, `call_timeout` each of them (s); `prices` say what they cost;
    `images` which pages a model sees; `ocr` reads pages without text; `max_cost` (US dollars) bounds what all calls of
    the OUT cost; `schema` is what documents are read by, if they are no invoices; `ours` are the tax ids of whom they
    are for; `duplicates` is what becomes of an invoice that is there a second time. With `patient` no document fails
    for a model that no connection can be made to: the run ends with `Unavailable`, to be begun again."""

    reader: ReaderName = "auto"
    concurrency: int = 128
    limits: Limits = field(default_factory=Limits)
    grace: float = 30.0
    poll: float = 5.0
    max_attempts: int = 6
    call_timeout: float = 120.0
    prices: Prices = LIST_PRICES
    images: Images = "auto"
    ocr: Ocr = NO_OCR
    max_cost: Decimal | None = None
    schema: OwnSchema | None = None
    ours: tuple[str, ...] = ()
    duplicates: OnDuplicates = "review"
    patient: bool = False

    @property
    def form(self) -> Form | None:
        """What a model is asked for; None for an invoice."""
        return self.schema.form if self.schema else None


@dataclass(slots=True)
class Tally:
    """What this run has done so far."""

    finished: Counter[str] = field(default_factory=Counter[str])
    adopted: int = 0
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class Tools:
    """The opened components of a run, all passed in. `offload` reads documents, `judges` checks what a model says of
    them: an answer that is paid for does not wait until a scan is read. `watch` is told what happens."""

    source: Source
    manifest: Manifest
    worker: Worker
    offload: Offload
    judges: Offload
    pace: Pace
    model: Model | None = None
    watch: Watch = NOBODY
