"""Anthropic's models, by its Messages API. It promises that the library's own retries are off, and that the constant
part of the prompt (tool and instructions) is marked for the provider's cache."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2
from anthropic import AsyncAnthropic
from pydantic_ai.models.anthropic import AnthropicModel, AnthropicModelSettings
from pydantic_ai.providers.anthropic import AnthropicProvider

from .model import Model
from .model_address import Address
from .model_pydantic import CONNECT_SECONDS, MOST_TOKENS, TOTAL_SECONDS, ProviderModel, http_client


@asynccontextmanager
async def open_anthropic(name: str, address: Address, *, concurrency: int) -> AsyncGenerator[Model]:
    """The model `name` at `address`."""
    async with http_client(address.url, concurrency) as http:
        client = AsyncAnthropic(
            api_key=address.key,
            base_url=address.url,
            timeout=httpx2.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS),
            max_retries=0,
            http_client=http,
        )
        model = AnthropicModel(name, provider=AnthropicProvider(anthropic_client=client))
        settings = AnthropicModelSettings(max_tokens=MOST_TOKENS, anthropic_cache_instructions=True)
        yield ProviderModel(f"anthropic:{name}", model, address, settings)
