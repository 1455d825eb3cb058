"""Google's models, by the Gemini API. It promises that the library's own retries are off."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from google.genai.types import HttpRetryOptions
from pydantic_ai.models.google import GoogleModel, GoogleModelSettings
from pydantic_ai.providers.google import GoogleProvider

from .model import Model
from .model_address import Address
from .model_pydantic import ProviderModel, http_client


@asynccontextmanager
async def open_google(name: str, address: Address, *, concurrency: int) -> AsyncGenerator[Model]:
    """The model `name` at `address`."""
    async with http_client(address.url, concurrency) as http:
        provider = GoogleProvider(
            api_key=address.key, http_client=http, base_url=address.url, retry_options=HttpRetryOptions(attempts=1)
        )
        model = GoogleModel(name, provider=provider)
        native = model.profile.get("supports_json_schema_output", False)
        yield ProviderModel(f"google:{name}", model, address, GoogleModelSettings(), native=native)
