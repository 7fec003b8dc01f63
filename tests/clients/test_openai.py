"""What users of the `openai` package see."""

import asyncio

import openai
import pytest

QUESTION = [{"role": "user", "content": "What does a toll gate do?"}]
QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"


def options(url, token):
    return {"base_url": f"{url}/v1", "api_key": token, "max_retries": 0}


@pytest.fixture
def client(gateway, user):
    with openai.OpenAI(**options(gateway.url, user.token)) as client:
        yield client


def ask(client, model="demo", **arguments):
    return client.chat.completions.create(model=model, messages=QUESTION, **arguments)


def text_of(chunks):
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def assert_adds_up(usage):
    assert usage.prompt_tokens > 0
    assert usage.completion_tokens > 0
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_a_chat_yields_its_text_and_usage(client):
    completion = ask(client)
    assert completion.choices[0].message.content
    assert_adds_up(completion.usage)


def test_a_streamed_chat_yields_its_text_and_no_usage_that_nobody_asked_for(client):
    chunks = list(ask(client, stream=True))
    assert text_of(chunks)
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


def test_a_streamed_chat_yields_its_text_and_usage(client):
    *chunks, last = ask(client, stream=True, stream_options={"include_usage": True})
    assert text_of(chunks)
    assert all(chunk.usage is None for chunk in chunks)
    assert last.choices == []
    assert_adds_up(last.usage)


def test_the_async_client_streams_too(gateway, user):
    async def chunks():
        async with openai.AsyncOpenAI(**options(gateway.url, user.token)) as client:
            return [chunk async for chunk in await ask(client, stream=True)]

    assert text_of(asyncio.run(chunks()))


def test_max_tokens_cuts_the_answer(client):
    completion = ask(client, max_tokens=3)
    assert completion.choices[0].finish_reason == "length"
    assert 0 < completion.usage.completion_tokens <= 3


def test_a_bad_key_is_an_authentication_error(gateway):
    with openai.OpenAI(**options(gateway.url, "no-such-key")) as client:
        with pytest.raises(openai.AuthenticationError) as refusal:
            ask(client)
    assert refusal.value.code == "invalid-token"


def test_an_exceeded_limit_is_a_rate_limit_error_that_says_when_to_come_back(limited_gateway, new_user):
    with openai.OpenAI(**options(limited_gateway.url, new_user.token)) as client:
        ask(client)
        ask(client)
        with pytest.raises(openai.RateLimitError) as refusal:
            ask(client)
    assert 0 < int(refusal.value.response.headers["retry-after"]) <= 60
    problem = refusal.value.response.json()
    assert problem["type"] == QUOTA_EXCEEDED
    assert problem["violated-policies"] == ["per-user"]


def test_a_model_without_a_price_is_a_permission_error_that_names_it(client):
    with pytest.raises(openai.PermissionDeniedError) as refusal:
        ask(client, model="no-such-model")
    assert refusal.value.code == "unpriced-model"
    assert "no-such-model" in refusal.value.body["message"]


def test_the_models_that_may_be_called_are_listed(client):
    assert [model.id for model in client.models.list()] == ["demo"]
    assert client.models.retrieve("demo").object == "model"
    with pytest.raises(openai.NotFoundError) as refused:
        client.models.retrieve("gpt-4o")
    assert refused.value.code == "not-found"
