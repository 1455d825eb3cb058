"""What the command line says of a run, and what of it does not go together. Data: it can be sent to other processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from .document import Images, Limits, OcrMode, OnDuplicates, ReaderName
from .errors import SetupError
from .form import OwnSchema
from .logs import LogFormat
from .prices import LIST_PRICES, Prices
from .worker import LEASE


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    source: str
    out: str
    model: str | None = None
    reader: ReaderName = "auto"
    images: Images = "auto"
    schema: str | None = None
    ocr: OcrMode = "auto"
    languages: Sequence[str] = ()
    ours: tuple[str, ...] = ()
    duplicates: OnDuplicates = "review"
    concurrency: int = 128
    rpm: int | None = None
    tpm: int | None = None
    max_attempts: int = 6
    max_cost: Decimal | None = None
    call_timeout: float = 120.0
    price: str | None = None
    batch: bool = False
    include: Sequence[str] = ()
    limit: int | None = None
    shards: int | None = None
    lease: float = LEASE
    limits: Limits = field(default_factory=Limits)
    metrics: tuple[str, int] | None = None
    otel: bool = False
    log_format: LogFormat | None = None
    log_level: str = "info"

    @property
    def reads(self) -> ReaderName:
        """The reader in effect: what a schema of one's own says is read by a model."""
        return "model" if self.schema else self.reader

    @property
    def asked(self) -> str | None:
        """The model that is asked, None if none is."""
        return self.model if self.reads in ("auto", "model", "both") else None


def refuse_contradictions(options: Options) -> None:
    """Raises `SetupError` for options that do not go together."""
    if options.reader in ("model", "both") and not options.model:
        raise SetupError(f"--reader {options.reader} needs --model PROVIDER:NAME")
    if options.schema and not options.model:
        raise SetupError("--schema says what a model is to read; it needs --model PROVIDER:NAME")
    if options.schema and options.reader in ("xml", "rules", "both"):
        raise SetupError(f"--reader {options.reader} reads invoices only; with --schema leave it out")
    if options.model and options.reader in ("xml", "rules"):
        raise SetupError(f"--reader {options.reader} asks no model; leave out --model, or use --reader auto or model")
    if options.price and not options.model:
        raise SetupError("--price is what a model's calls cost; it needs --model PROVIDER:NAME")
    if options.max_cost is not None and not options.model:
        raise SetupError("--max-cost bounds what a model's calls cost; it needs --model PROVIDER:NAME")
    if options.images == "always" and not options.model:
        raise SetupError("--images always shows pages to a model; it needs --model PROVIDER:NAME")
    if options.languages and options.ocr == "never":
        raise SetupError("--languages is for OCR, and --ocr never forbids it")
    if options.batch and not options.model:
        raise SetupError("--batch asks a model; it needs --model openai:NAME or anthropic:NAME")
    if options.batch and options.max_cost is not None:
        raise SetupError(
            "--max-cost does not hold for --batch: what is submitted together is paid together; bound it with --limit"
        )


def prices_of(options: Options) -> Prices:
    """What the calls of this run cost; known, if that is to be bounded."""
    prices = Prices.parse(options.price) if options.price else LIST_PRICES
    if options.max_cost is not None and options.model and not prices.known(options.model):
        raise SetupError(f"--max-cost: the price of {options.model} is not known; give it with --price INPUT/OUTPUT")
    return prices


def own_schema(options: Options) -> OwnSchema | None:
    """The user's own schema; it is imported for those only who bring one."""
    if options.schema is None:
        return None
    from .schema_load import load_schema

    return load_schema(options.schema)
