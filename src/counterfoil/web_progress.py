"""How far an OUT is: documents by status, as numbers and as one bar. The head of every page shows it."""

from __future__ import annotations

from typing import Any

from .kinds import CONTAINER
from .web_charts import shares
from .web_query import STATUSES
from .web_site import Site


def progress(site: Site) -> dict[str, Any]:
    """How many documents are in which status: what the head of every page shows."""
    statuses = site.watch.index.total.statuses
    counts = {status: statuses[status] for status in STATUSES}
    documents = statuses.total() - counts[CONTAINER]
    left = counts["pending"] + counts["running"]
    told = ", ".join(f"{counts[status]:,} {status}" for status in STATUSES if status != CONTAINER)
    return {
        "counts": counts,
        "documents": documents,
        "finished": documents - left,
        "left": left,
        "share": 100 * (documents - left) // documents if documents else 0,
        "bar": shares([(s, counts[s]) for s in STATUSES if s != CONTAINER], told),
    }
