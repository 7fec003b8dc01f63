"""Mock providers from the registries, and a gateway in front of each: upstreams that nobody here wrote.

`llmock` (PyPI) and `aimock` (npm) state usage, in streams too; `fakellm` (PyPI) states none in OpenAI streams, and in
Anthropic streams a prompt of one token whatever was asked.
"""

import json
import os
import socket
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway import HOST, PATIENCE_S, Gateway, eventually, free_ports, running_gateway

ANSWER = "A toll gate lets calls through, one by one."
FIXTURES = {
    "fixtures": [
        {
            "match": {"userMessage": "toll"},
            "response": {
                "content": ANSWER,
                "usage": {"prompt_tokens": 21, "completion_tokens": 13, "total_tokens": 34},
            },
        }
    ]
}


@dataclass
class Mock:
    name: str
    gateway: Gateway
    # Where the SDK of Anthropic finds it; OpenAI's is always below /v1.
    anthropic_base: str = ""


def command(name: str, folder: Path, port: int) -> list[str]:
    """Starts the mock on a port, answering the same each time."""
    if name == "aimock":
        fixtures = folder / "fixtures.json"
        fixtures.write_text(json.dumps(FIXTURES))
        return ["node", needed("TOLLGATE_AIMOCK"), "-h", HOST, "-p", str(port), "-f", str(fixtures)]
    program = str(Path(needed("TOLLGATE_MOCKS")) / name)
    if name == "llmock":
        return [program, "serve", "--host", HOST, "--port", str(port), "--response-style", "echo"]
    config = folder / "fakellm.yaml"
    config.write_text("version: 1\nrules: []\n")
    return [program, "serve", "--host", HOST, "--port", str(port), "--config", str(config)]


def needed(variable: str) -> str:
    if not (value := os.environ.get(variable)):
        pytest.skip(f"{variable} is not set: scripts/test clients installs the mock providers and sets it")
    return value


def routes(name: str, port: int, anthropic_base: str) -> str:
    return f"""
[[upstreams]]
name = "{name}"
url = "http://{HOST}:{port}"
[[routes]]
name = "chat"
path = "/v1/chat/completions"
match = "exact"
methods = ["POST"]
roles = ["admin", "user"]
upstream = "{name}"
meter = "openai-chat"
[[routes]]
name = "messages"
path = "{anthropic_base}/v1/messages"
match = "exact"
methods = ["POST"]
roles = ["admin", "user"]
upstream = "{name}"
meter = "anthropic-messages"
"""


@contextmanager
def running_mock(name: str, store: str, folder: Path):
    [port] = free_ports(1)
    anthropic_base = "/anthropic" if name == "llmock" else ""
    config = folder / "gateway.toml"
    config.write_text(routes(name, port, anthropic_base))
    with (folder / "mock.log").open("wb") as log:
        process = subprocess.Popen(
            command(name, folder, port), cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            eventually(lambda: listens(port) or process.poll() is not None)
            assert process.poll() is None, f"{name} did not start:\n{(folder / 'mock.log').read_text()}"
            with running_gateway(store, folder, "--config", str(config)) as gateway:
                yield Mock(name, gateway, anthropic_base)
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
