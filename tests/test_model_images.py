"""Images that go with a conversation, to a real HTTP server in the same loop."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from counterfoil.errors import CounterfoilError, InputError, SetupError
from counterfoil.model import CHARACTERS_AN_IMAGE, Answer, Image, Request, Turn
from model_server import Reply, by, completion, model_behind, refusal

SCHEMA = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
SEEN = (Image("image/jpeg", b"\xff\xd8\xff1"), Image("image/png", b"\x89PNG2"))
REQUEST = Request((Turn("system", "Always the same."), Turn("user", "Read these.", SEEN)), SCHEMA, "invoice")


def call(reply: Reply) -> Answer:
    async def story() -> Answer:
        async with model_behind(by(reply)) as model:
            return await model.complete(REQUEST)

    return asyncio.run(story())


def error_of(reply: Reply) -> CounterfoilError:
    with pytest.raises(CounterfoilError) as caught:
        call(reply)
    return caught.value


def test_images_come_after_the_text_of_their_turn_as_data():
    """Inline, never as an address to fetch; a turn without images stays a plain string."""
    seen: dict[str, Any] = {}

    def reply(request: web.Request, body: dict[str, Any]) -> web.Response:
        seen.update(body)
        return completion("{}", body)

    call(reply)
    assert seen["messages"] == [
        {"role": "system", "content": "Always the same."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Read these."},
                {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,/9j/MQ=="}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORzI="}},
            ],
        },
    ]


def test_the_pace_is_told_of_images():
    """Their tokens count towards --tpm before the first answer has told how many they are."""
    assert REQUEST.characters == len("Always the same.Read these.") + 2 * CHARACTERS_AN_IMAGE


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "Invalid content type. image_url is only supported by certain models."),
        (400, "some-model is not a multimodal model"),
        (404, "No endpoints found that support image input"),
        (500, "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"),
        (400, "Image input is not enabled for this model"),
        (400, "this model does not support images"),
        (400, "'messages.1' : for 'role:user' the following must be satisfied[messages.1.content must be a string]"),
        (422, "Failed to deserialize: messages[1]: unknown variant `image_url`, expected `text`"),
        (400, "this model is missing data required for image input"),
    ],
)
def test_a_model_that_can_not_see_is_a_set_up_error_that_says_what_to_do(status: int, words: str):
    """Every scan of the batch would fail of it: one sentence for the run, with the way out."""
    error = error_of(lambda _, __: refusal(status, words))
    assert isinstance(error, SetupError)
    assert "--images never" in str(error)


@pytest.mark.parametrize(
    "words",
    [
        "Could not process image",
        "You uploaded an unsupported image. Please make sure your image is valid.",
        "messages.1.content.1.image: image exceeds the limit of 5 MB",
        "The image is too small to be read",
    ],
)
def test_what_is_wrong_with_one_image_costs_one_document(words: str):
    """The model sees; only not this."""
    assert isinstance(error_of(lambda _, __: refusal(400, words)), InputError)
