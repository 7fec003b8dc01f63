"""What users of both clients see when the first target of the name they ask for fails: nothing but the answer."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anthropic
import openai
import pytest

from gateway import HOST, eventually, running_gateway

QUESTION = {"role": "user", "content": "What does a toll gate do?"}

# `fast` is asked of a provider that fails, then of the built-in model.
CONFIG = """
[[upstreams]]
name = "failing"
url = "http://{host}:{port}"
breaker = {{ failures = 0 }}
[[models]]
name = "fast"
targets = [
    {{ upstream = "failing", model = "demo" }},
    {{ upstream = "builtin:llm", model = "demo", priority = 1 }},
]
"""


class Failing:
    """A provider that is asked and answers with an error, or not at all."""

    def __init__(self):
        failing = self
        self.calls = 0
        self.way = "500"

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers["content-length"]))
                failing.calls += 1
                self.close_connection = True
                if failing.way.isdigit():
                    self.send_response(int(failing.way))
                    self.send_header("content-type", "application/json")
                    self.send_header("content-length", "2")
                    self.send_header("connection", "close")
                    self.end_headers()
                    self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer((HOST, 0), Handler)


@contextmanager
def running_failing():
    failing = Failing()
    thread = threading.Thread(target=failing.server.serve_forever)
    thread.start()
    try:
        yield failing
    finally:
        failing.server.shutdown()
        thread.join()
        failing.server.server_close()


@pytest.fixture(scope="session")
def scene(store, tmp_path_factory):
    """A gateway with the name `fast`, its failing provider, and a user."""
    folder = tmp_path_factory.mktemp("failover")
    with running_failing() as failing:
        config = folder / "failover.toml"
        config.write_text(CONFIG.format(host=HOST, port=failing.server.server_port))
        with running_gateway(store, folder, "--config", str(config)) as gateway:
            yield gateway, failing, gateway.new_user()


@pytest.fixture(params=["500", "503", "hangs up"])
def failed_over(request, scene):
    """The gateway and the user, while the provider fails in this way; it was asked once for each call."""
    gateway, failing, user = scene
    failing.way, before = request.param, failing.calls
    yield gateway, user
    assert failing.calls == before + 1
    record = eventually(lambda: newest_with_outcome(gateway, user))
    assert (record["model"], record["served_model"], record["upstream"]) == ("fast", "demo", "builtin:llm")
    assert [attempt["upstream"] for attempt in record["attempts"]] == ["failing", "builtin:llm"]


def newest_with_outcome(gateway, user):
    """The record of the last call, once its end is known."""
    record = gateway.audit_records(username=user.username, limit="1")[0]
    return record if record.get("outcome") == "complete" else None


def openai_client(gateway, user):
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=user.token, max_retries=0)


def anthropic_client(gateway, user):
    return anthropic.Anthropic(base_url=gateway.url, auth_token=user.token, max_retries=0)


def test_a_chat_is_answered_by_the_next_target(failed_over):
    with openai_client(*failed_over) as client:
        completion = client.chat.completions.create(model="fast", messages=[QUESTION])
    assert completion.model == "fast"
    assert completion.choices[0].message.content
    assert completion.usage.completion_tokens > 0


def test_a_streamed_chat_is_answered_by_the_next_target(failed_over):
    with openai_client(*failed_over) as client:
        options = {"stream": True, "stream_options": {"include_usage": True}}
        *chunks, last = client.chat.completions.create(model="fast", messages=[QUESTION], **options)
    assert {chunk.model for chunk in [*chunks, last]} == {"fast"}
    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert last.usage.completion_tokens > 0


def test_a_message_is_answered_by_the_next_target(failed_over):
    with anthropic_client(*failed_over) as client:
        message = client.messages.create(model="fast", messages=[QUESTION], max_tokens=64)
    assert message.model == "fast"
    assert message.content[0].text
    assert message.usage.output_tokens > 0


def test_a_streamed_message_is_answered_by_the_next_target(failed_over):
    with anthropic_client(*failed_over) as client:
        with client.messages.stream(model="fast", messages=[QUESTION], max_tokens=64) as stream:
            text = "".join(stream.text_stream)
            message = stream.get_final_message()
    assert message.model == "fast"
    assert text == message.content[0].text
    assert message.usage.output_tokens > 0
