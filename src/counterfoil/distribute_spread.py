"""Over how many processes a run is spread, and by what: what the command line says of it. Data only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from .cores import usable_cores
from .errors import SetupError


@dataclass(frozen=True, slots=True)
class Spread:
    """`workers` None: as many as there are CPUs for. `address` and `cpus` are of Ray: where it is (a Ray of our own
    on this machine if None), and how many CPUs each worker asks it for."""

    engine: Literal["local", "ray"]
    workers: int | None = None
    address: str | None = None
    cpus: float | None = None

    def __post_init__(self) -> None:
        if self.engine == "local" and (self.address or self.cpus):
            raise SetupError("--address and --worker-cpus are about a Ray cluster; they need --engine ray")

    @property
    def cpus_each(self) -> float:
        """CPUs that each worker is reserved."""
        return self.cpus or 1.0

    def workers_on(self, cpus: float) -> int:
        """How many workers there are to be where there are so many CPUs."""
        return self.workers or max(1, int(cpus / self.cpus_each))

    @property
    def readers(self) -> int:
        """How many processes read documents in each worker: the machine's cores are divided, or Ray's CPUs taken."""
        cores = usable_cores()
        return math.ceil(self.cpus_each) if self.engine == "ray" else max(1, cores // self.workers_on(cores))
