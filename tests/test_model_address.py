"""Addresses and keys from the standard variables, Azure's forms among them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from counterfoil.errors import SetupError
from counterfoil.model import open_model
from counterfoil.model_address import Address, anthropic_address, google_address, openai_address
from provider_server import Reply, Server, served
from test_model_openai import REQUEST

AZURE = "https://firm.openai.azure.com"
DEPLOYMENT = f"{AZURE}/openai/deployments/reader"
KEY = "0123456789abcdef"


def azure(url: str, key: str = KEY, **environ: str) -> Address:
    return openai_address({"OPENAI_BASE_URL": url, "OPENAI_API_KEY": key} | environ)


@pytest.mark.parametrize("url", [AZURE, f"{AZURE}/", f"{AZURE}/openai/v1", f"{AZURE}/openai/v1/"])
def test_a_resource_of_azure_is_asked_by_its_v1_api(url: str):
    """No API version, the key in Azure's own header, the deployment as the model's name."""
    assert azure(url) == Address(f"{AZURE}/openai/v1", KEY, headers={"api-key": KEY})


def test_a_deployment_of_azure_has_its_api_version_with_every_request():
    """In the address, or as OPENAI_API_VERSION."""
    wanted = Address(DEPLOYMENT, KEY, headers={"api-key": KEY}, query={"api-version": "2024-10-21"})
    assert azure(f"{DEPLOYMENT}?api-version=2024-10-21") == wanted
    assert azure(DEPLOYMENT, OPENAI_API_VERSION="2024-10-21") == wanted


def test_a_deployment_of_azure_without_an_api_version_is_a_set_up_error():
    """Azure would say 404 Resource not found."""
    with pytest.raises(SetupError, match="OPENAI_API_VERSION"):
        azure(DEPLOYMENT)


def test_a_token_of_entra_id_is_sent_as_a_token():
    """It is a JSON Web Token; everything else is a key."""
    token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2ln"
    assert azure(AZURE, token).headers == {"Authorization": f"Bearer {token}"}


def test_the_key_of_azure_may_be_in_the_variable_of_azure_for_azure_only():
    """It goes nowhere else."""
    environ = {"AZURE_OPENAI_API_KEY": KEY}
    assert openai_address(environ | {"OPENAI_BASE_URL": AZURE}).key == KEY
    assert openai_address(environ | {"OPENAI_BASE_URL": "http://127.0.0.1/v1"}).key == ""
    with pytest.raises(SetupError, match="OPENAI_API_KEY"):
        openai_address(environ)


def test_a_deployment_is_called_at_its_path_with_its_query():
    """POST .../chat/completions?api-version=..., as it comes over HTTP."""
    choice = {"message": {"content": "{}"}, "finish_reason": "stop"}
    server = Server(lambda _: Reply({"choices": [choice]}))

    async def story() -> None:
        async with served(server) as host:
            url = f"{host}/openai/deployments/reader?api-version=2024-10-21"
            environ = {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": KEY}
            async with open_model("openai:reader", concurrency=1, environ=environ) as model:
                await model.complete(REQUEST)

    asyncio.run(story())
    (request,) = server.requests
    assert request.path_qs == "/openai/deployments/reader/chat/completions?api-version=2024-10-21"
    assert request.headers["api-key"] == KEY
    assert "Authorization" not in request.headers


@pytest.mark.parametrize(
    ("address", "environ", "url"),
    [
        (anthropic_address, {"ANTHROPIC_API_KEY": KEY}, "https://api.anthropic.com"),
        (anthropic_address, {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": "http://gate/a/"}, "http://gate/a"),
        (google_address, {"GOOGLE_API_KEY": KEY}, "https://generativelanguage.googleapis.com"),
        (google_address, {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": "http://gate"}, "http://gate"),
    ],
)
def test_other_providers_have_variables_of_their_own(address: Any, environ: dict[str, str], url: str):
    """Those that the providers' own libraries read."""
    found = address(environ)
    assert (found.url, found.key) == (url, KEY)


def test_no_representation_shows_the_key():
    """Nor the headers that bear it."""
    assert KEY not in repr(azure(AZURE))
