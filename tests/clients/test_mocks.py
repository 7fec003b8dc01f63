"""What calls to providers that nobody here wrote cost, to the last unit: held against the providers' own numbers."""

from decimal import Decimal

import anthropic
import openai
import pytest

from mocks import running_mock

QUESTION = {"role": "user", "content": "What does a toll gate do?"}

# The built-in price of the model `demo`, in USD a token.
INPUT_USD, OUTPUT_USD = Decimal("0.000001"), Decimal("0.000002")


@pytest.fixture(scope="session", params=["llmock", "aimock"])
def mock(request, store, tmp_path_factory):
    """A provider that states usage, in streams too."""
    with running_mock(request.param, store, tmp_path_factory.mktemp(request.param)) as mock:
        yield mock


@pytest.fixture(scope="session")
def silent_mock(store, tmp_path_factory):
    """A provider that states no usage in streams."""
    with running_mock("fakellm", store, tmp_path_factory.mktemp("fakellm")) as mock:
        yield mock


def openai_client(mock, user):
    return openai.OpenAI(base_url=f"{mock.gateway.url}/v1", api_key=user.token, max_retries=0)


def anthropic_client(mock, user):
    base_url = mock.gateway.url + mock.anthropic_base
    return anthropic.Anthropic(base_url=base_url, auth_token=user.token, max_retries=0)


def chat(client, **arguments):
    return client.chat.completions.create(model="demo", messages=[QUESTION], max_tokens=64, **arguments)


def message(client, **arguments):
    return {"model": "demo", "messages": [QUESTION], "max_tokens": 64, **arguments}


def assert_billed(mock, user, input_tokens, output_tokens):
    """The books say at once what the provider said, and what that costs."""
    [usage] = mock.gateway.call("GET", "/me/usage", token=user.token)["items"]
    told = (usage["requests"], usage["input_tokens"], usage["output_tokens"])
    assert told == (1, input_tokens, output_tokens)
    assert Decimal(usage["cost_usd"]) == input_tokens * INPUT_USD + output_tokens * OUTPUT_USD
    assert mock.gateway.estimated(user) == [False]


def test_a_chat_costs_what_the_provider_counted(mock):
    user = mock.gateway.new_user()
    with openai_client(mock, user) as client:
        usage = chat(client).usage
    assert usage.total_tokens > 0
    assert_billed(mock, user, usage.prompt_tokens, usage.completion_tokens)


def test_a_streamed_chat_costs_what_the_provider_counted(mock):
    user = mock.gateway.new_user()
    with openai_client(mock, user) as client:
        *_, last = chat(client, stream=True, stream_options={"include_usage": True})
    assert_billed(mock, user, last.usage.prompt_tokens, last.usage.completion_tokens)


def test_a_streamed_chat_costs_the_same_if_the_client_asked_for_no_usage(mock):
    asking, user = mock.gateway.new_user(), mock.gateway.new_user()
    with openai_client(mock, asking) as client:
        *_, last = chat(client, stream=True, stream_options={"include_usage": True})
    with openai_client(mock, user) as client:
        chunks = list(chat(client, stream=True))
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)
    assert_billed(mock, user, last.usage.prompt_tokens, last.usage.completion_tokens)


def test_a_message_costs_what_the_provider_counted(mock):
    user = mock.gateway.new_user()
    with anthropic_client(mock, user) as client:
        usage = client.messages.create(**message(client)).usage
    assert_billed(mock, user, usage.input_tokens, usage.output_tokens)


def test_a_streamed_message_costs_what_the_provider_counted(mock):
    user = mock.gateway.new_user()
    with anthropic_client(mock, user) as client, client.messages.stream(**message(client)) as stream:
        usage = stream.get_final_message().usage
    assert_billed(mock, user, usage.input_tokens, usage.output_tokens)


def test_a_streamed_chat_without_usage_costs_what_was_delivered_and_says_so(silent_mock):
    user = silent_mock.gateway.new_user()
    with openai_client(silent_mock, user) as client:
        chunks = list(chat(client, stream=True))
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text and all(chunk.usage is None for chunk in chunks)
    [usage] = silent_mock.gateway.call("GET", "/me/usage", token=user.token)["items"]
    # A token is at least a byte of what was asked and answered, and no more than the names around it are added.
    assert 0 < usage["output_tokens"] <= len(text.encode())
    assert usage["input_tokens"] > 0
    cost = usage["input_tokens"] * INPUT_USD + usage["output_tokens"] * OUTPUT_USD
    assert Decimal(usage["cost_usd"]) == cost
    assert silent_mock.gateway.estimated(user) == [True]


def test_a_chat_of_a_provider_that_is_silent_in_streams_costs_what_it_counted(silent_mock):
    user = silent_mock.gateway.new_user()
    with openai_client(silent_mock, user) as client:
        usage = chat(client).usage
    assert_billed(silent_mock, user, usage.prompt_tokens, usage.completion_tokens)
