"""The benchmarks' model server, and models behind it, for tests that serve it in their own loop."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from counterfoil.model import Model, open_model

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.model_server import (
    Behaviour,
    ModelServer,
    Script,
    completion,
    document_key,
    refusal,
    sample_invoice,
    serving,
)

__all__ = [
    "KEY",
    "Behaviour",
    "ModelServer",
    "Reply",
    "Script",
    "by",
    "completion",
    "document_key",
    "model_behind",
    "refusal",
    "sample_invoice",
    "serving",
]

KEY = "our-own-secret-0123456789"

Reply = Callable[[web.Request, dict[str, Any]], web.StreamResponse]


def by(reply: Reply) -> Script:
    """The script of a server that answers at once."""

    async def script(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return reply(request, body)

    return script


@asynccontextmanager
async def model_behind(script: Script, name: str = "openai:some-model", **environ: str) -> AsyncGenerator[Model]:
    """A model behind a real HTTP server that answers by `script`; `environ` replaces the usual variables."""
    async with serving(ModelServer(script=script)) as url:
        variables = {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": KEY} | environ
        async with open_model(name, concurrency=4, environ=variables) as model:
            yield model
