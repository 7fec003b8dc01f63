"""What users of the `anthropic` package see."""

import asyncio

import anthropic
import pytest

QUESTION = {"role": "user", "content": "What does a toll gate do?"}


def options(url, token):
    return {"base_url": url, "auth_token": token, "max_retries": 0}


def call(messages=(QUESTION,), max_tokens=256, **arguments):
    return {"model": "demo", "messages": list(messages), "max_tokens": max_tokens, **arguments}


@pytest.fixture
def client(gateway, user):
    with anthropic.Anthropic(**options(gateway.url, user.token)) as client:
        yield client


def text_of(message):
    return "".join(block.text for block in message.content)


def assert_counts(usage):
    assert usage.input_tokens > 0
    assert usage.output_tokens > 0


def test_a_message_yields_its_text_and_usage(client):
    message = client.messages.create(**call())
    assert text_of(message)
    assert_counts(message.usage)


def test_a_streamed_message_yields_its_text_and_usage(client):
    with client.messages.stream(**call()) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert text
    assert text == text_of(message)
    assert_counts(message.usage)


def test_the_async_client_streams_too(gateway, user):
    async def message():
        async with anthropic.AsyncAnthropic(**options(gateway.url, user.token)) as client:
            async with client.messages.stream(**call()) as stream:
                return await stream.get_final_message()

    assert text_of(asyncio.run(message()))


def test_max_tokens_cuts_the_answer(client):
    message = client.messages.create(**call(max_tokens=3))
    assert message.stop_reason == "max_tokens"
    assert 0 < message.usage.output_tokens <= 3


def test_a_system_prompt_and_earlier_turns_are_read_and_counted(client):
    answer = {"role": "assistant", "content": "It asks who you are."}
    one_turn = client.messages.create(**call())
    conversation = client.messages.create(**call([QUESTION, answer, QUESTION], system="Answer in one sentence."))
    assert text_of(conversation)
    assert conversation.usage.input_tokens > one_turn.usage.input_tokens


def test_a_bad_token_is_an_authentication_error(gateway):
    with anthropic.Anthropic(**options(gateway.url, "no-such-token")) as client:
        with pytest.raises(anthropic.AuthenticationError) as refusal:
            client.messages.create(**call())
    assert refusal.value.body["error"]["code"] == "invalid-token"


def test_an_exceeded_limit_is_a_rate_limit_error_that_says_when_to_come_back(limited_gateway, new_user):
    with anthropic.Anthropic(**options(limited_gateway.url, new_user.token)) as client:
        client.messages.create(**call())
        client.messages.create(**call())
        with pytest.raises(anthropic.RateLimitError) as refusal:
            client.messages.create(**call())
    assert 0 < int(refusal.value.response.headers["retry-after"]) <= 60


def test_the_models_that_may_be_called_are_listed_in_pages(client):
    assert [model.id for model in client.models.list(limit=1)] == ["demo"]
    assert client.models.retrieve("demo").display_name == "demo"
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("claude-opus-4-5")
