"""Models by name, and the scripted one."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from counterfoil.errors import SetupError, Unavailable
from counterfoil.model import Answer, Model, Request, ScriptedModel, Turn, open_model

REQUEST = Request((Turn("user", "What is it?" * 10),), {"type": "object"}, "thing")
KEY = {"OPENAI_API_KEY": "sk-secret-of-ours"}


def test_a_model_is_named_as_it_was_asked_for():
    """Names may have colons of their own, as Ollama's do."""

    async def story(spec: str) -> str:
        async with open_model(spec, concurrency=1, environ=KEY) as model:
            return model.name

    assert asyncio.run(story("openai:gpt-4.1-mini")) == "openai:gpt-4.1-mini"
    assert asyncio.run(story("openai:llama3:8b")) == "openai:llama3:8b"


@pytest.mark.parametrize("spec", ["gpt-4.1-mini", "openai", "openai:", "openai: ", "nobody:x", ""])
def test_an_unknown_provider_is_a_set_up_error_that_lists_the_known(spec: str):
    """Raised before anything is opened."""
    with pytest.raises(SetupError, match="openai:NAME"):
        open_model(spec, concurrency=1, environ=KEY)


def test_the_openai_address_needs_a_key_and_says_so_at_once():
    """No call is made to find that out."""
    with pytest.raises(SetupError, match="OPENAI_API_KEY"):
        open_model("openai:x", concurrency=1, environ={})


@pytest.mark.parametrize("url", ["host/v1", "ftp://host/v1", "https://", "https://me:pass@host/v1", "http://[::1/v1"])
def test_an_address_that_can_not_be_one_is_a_set_up_error(url: str):
    """The message says what one looks like, and repeats no password."""
    with pytest.raises(SetupError, match="OPENAI_BASE_URL") as caught:
        open_model("openai:x", concurrency=1, environ=KEY | {"OPENAI_BASE_URL": url})
    assert "pass@" not in str(caught.value)


@pytest.mark.parametrize("key", ["sk-two\nlines", "sk-né"])
def test_a_key_that_can_not_be_sent_is_refused_without_being_shown(key: str):
    """A header can't hold it; the message doesn't either."""
    with pytest.raises(SetupError) as caught:
        open_model("openai:x", concurrency=1, environ={"OPENAI_API_KEY": key})
    assert "sk-" not in str(caught.value)


def test_no_provider_is_imported_before_it_is_opened():
    """Whoever runs without a model doesn't wait for aiohttp."""
    code = "import sys, counterfoil.model, counterfoil.extract_model; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_scripted_model_says_what_its_script_says():
    """A text gets token counts that aren't 0, an answer is given as it is, an error is raised."""
    whole = Answer("whole", 1, 2, "m")
    script = iter(["just text", whole, Unavailable("gone")])

    async def story() -> None:
        model: Model = ScriptedModel(lambda _: next(script))
        told = await model.complete(REQUEST)
        assert (told.text, told.input_tokens, told.output_tokens) == ("just text", 27, 2)
        assert await model.complete(REQUEST) is whole
        with pytest.raises(Unavailable, match="gone"):
            await model.complete(REQUEST)

    asyncio.run(story())


def test_a_scripted_model_counts_its_calls_and_how_many_were_in_flight():
    """Its latency is slept in the sleep it was given."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(0)

    async def story() -> ScriptedModel:
        model = ScriptedModel(lambda _: "x", latency=2.0, sleep=sleep)
        await asyncio.gather(*(model.complete(REQUEST) for _ in range(5)))
        return model

    model = asyncio.run(story())
    assert (model.calls, model.most_in_flight, model.in_flight, slept) == (5, 5, 0, [2.0] * 5)
