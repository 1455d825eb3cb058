"""The child process of `model_local`: a llama.cpp server until its standard input ends, which it does with its parent.

It promises to write one line, its address, once it can answer. It is started by `python -m`, and imported by nobody.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, cast

import xllamacpp as _llama  # pyright: ignore[reportMissingTypeStubs]

llama: Any = _llama


def main() -> None:
    told = cast("dict[str, Any]", json.loads(sys.stdin.buffer.readline()))
    address = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the library prints is not an address
    server = llama.Server(_parameters(told))
    address.write(f"{server.listening_address}\n")
    address.close()
    sys.stdin.buffer.read()
    os._exit(0)  # an answer that nobody waits for need not be finished


def _parameters(told: dict[str, Any]) -> Any:
    """One answer at a time: all of the context is its own, and what prompts begin with stays cached."""
    parameters = llama.CommonParams()
    parameters.model.path = told["weights"]
    parameters.n_ctx, parameters.n_predict = told["context"], told["max_tokens"]
    parameters.n_parallel = 1
    if told["threads"]:
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = told["threads"]
    parameters.hostnames, parameters.port, parameters.api_keys = ["127.0.0.1"], 0, [told["key"]]
    parameters.ui = parameters.endpoint_slots = parameters.warmup = False
    parameters.offline, parameters.verbosity = True, 1
    return parameters


if __name__ == "__main__":
    main()
