"""A model that fails in every way there is: whether every document is finished, and every call and token accounted.

What was made and billed is counted by the server, what is reported is the command's, both afterwards.
"""

from __future__ import annotations

from decimal import Decimal

from .documents import write_invoices
from .machine import counterfoil, environment, model_server
from .row import Row, Setting

_DOCUMENTS = 300
_FAULTS = (
    "--fail-429",
    "0.05",
    "--fail-500",
    "0.05",
    "--hang",
    "0.02",
    "--truncate",
    "0.03",
    "--misfit",
    "0.03",
    "--seed",
    "1",
)
"""With seed 0 one document gets three answers running that don't fit, and rightly fails; that is one in 4,600."""
_PRICE = (Decimal("0.40"), Decimal("1.60"))
"""Dollars for a million tokens, of requests and of answers."""


def faults(setting: Setting) -> list[Row]:
    """One run of 300 documents, a model of 0.5 s, calls given up after 5 s."""
    source, out = write_invoices(setting.folder / "source", _DOCUMENTS), str(setting.folder / "out")
    options = ["--model", "openai:scripted", "--call-timeout", "5", "--price", "/".join(map(str, _PRICE)), "--json"]
    with model_server(0.5, *_FAULTS) as model:
        environ = environment(model=model)
        run = counterfoil(setting.folder, environ, "run", str(source), "--out", out, *options)
        said, made = run.json(), model.stats()
    sound = counterfoil(setting.folder, environ, "verify", out).code == 0
    billed = sum(made[kind] * price for kind, price in zip(("input_tokens", "output_tokens"), _PRICE, strict=True))
    finished = said["done"] + said["review"]
    agree = (
        said["paid_calls"] == made["calls"]
        and said["unknown_calls"] == made["by_outcome"].get("hang", 0)
        and all(said[kind] == made[kind] for kind in ("input_tokens", "output_tokens"))
    )
    return [
        Row(
            "300 documents; of the calls 5 % 429, 5 % 500, 2 % hang, 3 % truncated JSON, 3 % wrong schema",
            f"{finished} finished in {run.wall_s:.1f} s; {said['paid_calls']} calls reported, {made['calls']} made, "
            f"{said['unknown_calls']} of unknown outcome; {said['input_tokens']} + {said['output_tokens']} tokens "
            f"reported, {made['input_tokens']} + {made['output_tokens']} billed; ${said['cost_usd']} reported, "
            f"${billed / 1_000_000} billed; verify {'clean' if sound else 'found breaches'}",
            "all finished; calls, tokens and cost the same",
            finished == _DOCUMENTS and agree and Decimal(said["cost_usd"]) == billed / 1_000_000 and sound,
        )
    ]
